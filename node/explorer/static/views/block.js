// One block of a shard with its transactions.

import { h, link, slot } from "../lib/dom.js";
import { kindName } from "../lib/decode.js";
import { clock, coins, count, gasPrice, int } from "../lib/format.js";
import { addressLink, chainName, facts, finalityPill, heading, meter, notFound, panel, pill, table, timeAgo, transactionLink } from "../lib/parts.js";

const ROWS_MAX = 500;

export async function blockView(app, shardText, id) {
  const { network, rpc } = app;
  const shard = Number(shardText);
  if (shard >= network.shardCount) return { title: "No such shard", element: notFound(`There is no shard ${shard}`, `This network has shards 0 to ${network.shardCount - 1}.`) };
  const isHash = id.startsWith("0x");
  const block = await rpc.shard(shard, isHash ? "eth_getBlockByHash" : "eth_getBlockByNumber", isHash ? id : `0x${Number(id).toString(16)}`, true);
  if (!block) return { title: "No such block", element: notFound("There is no such block", `Shard ${shard} stands at block ${count(network.head(shard))}.`) };
  const number = int(block.number);
  const state = slot(h("span")), steps = slot(h("span", { class: "steps" }));
  const element = h("div", { class: "view" },
    heading(chainName(shard), `Block ${count(number)}`, steps.element),
    panel(null, facts([
      ["Finality", state.element], ["Time", [timeAgo(int(block.timestamp)), ` · ${clock(int(block.timestamp))}`]],
      ["Transactions", count(block.transactions.length)],
      ["Gas used", h("span", { class: "gas" }, `${count(int(block.gasUsed))} of ${count(int(block.gasLimit))}`, meter(int(block.gasUsed), int(block.gasLimit)))],
      ["Base fee", gasPrice(block.baseFeePerGas)], ["Proposer's account", addressLink(block.miner, true)],
      ["Size", `${count(int(block.size))} bytes`], ["Hash", mono(block.hash)],
      ["Parent", number > 0 ? link(`/shard/${shard}/block/${block.parentHash}`, { class: "mono" }, block.parentHash) : mono(block.parentHash)],
      ["State root", mono(block.stateRoot)], ["Beacon block referred to", link(`/beacon/block/${block.parentBeaconBlockRoot}`, { class: "mono" }, block.parentBeaconBlockRoot)],
      ["Totals of messages", mono(block.requestsHash)]])),
    panel("Transactions", [transactions(shard, block.transactions.slice(0, ROWS_MAX)),
      block.transactions.length > ROWS_MAX && h("p", { class: "empty" }, `The first ${ROWS_MAX} of ${count(block.transactions.length)} are shown.`)]));
  const update = () => {
    const finality = network.finality(shard, number);
    state.set(finality, () => finalityPill(finality));
    const isNewest = number >= network.head(shard);
    steps.set(String(isNewest), () => [number > 0 && link(`/shard/${shard}/block/${number - 1}`, { class: "button plain", rel: "prev" }, "← Previous"),
      !isNewest && link(`/shard/${shard}/block/${number + 1}`, { class: "button plain", rel: "next" }, "Next →")].filter(Boolean));
  };
  return { title: `Block ${number} of shard ${shard}`, element, update };
}

const mono = (text) => h("span", { class: "mono" }, text);

/** What a transaction is, in a word or two. */
export function kindOf(one) {
  if (one.type === "0x7d") return pill("plain", `${kindName(int(one.kind))} from shard ${int(one.sourceShard)}`);
  if (!one.to) return "Creation";
  return one.input === "0x" ? "Transfer" : `Call ${one.input.slice(0, 10)}`;
}

function transactions(shard, list) {
  return table(["Hash", "Kind", "From", "To", "Value"], list.map((one) => [
    transactionLink(shard, one.hash),
    kindOf(one), addressLink(one.from), addressLink(one.to), h("span", { class: "num", title: `${BigInt(one.value)} wei` }, coins(one.value, 6))]), "Nobody sent anything in this block.");
}
