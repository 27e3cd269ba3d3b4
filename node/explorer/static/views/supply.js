// Where all coins are, and that none is missing.

import { h, link, slot } from "../lib/dom.js";
import { coins, count, int } from "../lib/format.js";
import { amount, chainName, heading, meter, panel, pill, tight } from "../lib/parts.js";

export async function supplyView(app) {
  const { network } = app;
  const head = slot(h("span")), body = slot(h("div", { class: "stack" }));
  const element = h("div", { class: "view" }, heading("At the newest final beacon block", "Supply", head.element),
    h("p", { class: "lead" }, "What the accounts of all shards hold, what is under way between them and what is staked must be what genesis gave and rewards issued, less what was burned. Every node checks it at every beacon block, to the wei."), body.element);
  const update = () => {
    const { supply } = network;
    const balanced = BigInt(supply.imbalance) === 0n;
    head.set(supply.imbalance, () => (balanced ? pill("good", "Balanced to the wei") : pill("bad", `Off by ${coins(supply.imbalance)} coins`)));
    body.set(JSON.stringify(supply), () => terms(supply));
  };
  return { title: "Supply", element, update };
}

function terms(supply) {
  const held = [
    ...supply.shards.map((wei, shard) => [h("span", null, chainName(shard), h("small", { class: "note" }, ` accounts at block ${count(int(supply.crosslinks[shard].number))}`)), wei]),
    ...supply.inFlight.map((flow) => [h("span", null, "In flight ", chainName(int(flow.source), false), " → ", chainName(int(flow.destination), false)), flow.value]),
    ...(supply.inFlight.length ? [] : [["In flight between shards", "0x0"]]),
    ["Staked", supply.stakes], ["Unclaimed rewards", supply.unclaimed], ["Fee pool", supply.feePool], ["Treasury", supply.treasury]];
  const due = [["Genesis", supply.genesis], ["Issued", supply.issued], ["Burned", `-${BigInt(supply.burned)}`]];
  const sum = (rows) => rows.reduce((total, [, wei]) => total + big(wei), 0n);
  const whole = sum(held);
  return [h("div", { class: "columns" }, panel("What there is", rows(held, whole)), panel("What there should be", rows(due, whole))),
    panel(null, h("p", { class: "equation" }, amount(whole), h("b", null, whole === sum(due) ? " = " : " ≠ "), amount(sum(due)),
      h("span", { class: "quiet" }, ["at beacon block ", link(`/beacon/block/${int(supply.beacon.number)}`, { class: "num" }, count(int(supply.beacon.number)))])))];
}

const big = (wei) => (String(wei).startsWith("-") ? -BigInt(String(wei).slice(1)) : BigInt(wei));

const SMALL = 10n ** 12n;

/** Coins to six places; what is less than the last of them in wei. */
const sized = (wei) => h("span", { class: "num", title: `${wei} wei` }, wei !== 0n && wei < SMALL && wei > -SMALL ? [`${count(wei)}`.replace("-", "−"), h("small", null, " wei")] : coins(wei, 6));

const rows = (entries, whole) => tight(["Term", "Coins", "*Share"], [...entries.map(([name, wei]) =>
  [name, sized(big(wei)), meter(Number((big(wei) * 10000n) / (whole || 1n)), 10000)]),
  [h("b", null, "Together"), h("b", null, sized(entries.reduce((total, [, wei]) => total + big(wei), 0n))), ""]], "");
