// The beacon chain: its blocks and the crosslinks in them.

import { h, link, slot } from "../lib/dom.js";
import { clock, count, int, short } from "../lib/format.js";
import { blockLink, chainMark, chainName, chainTabs, facts, heading, notFound, pager, panel, pill, tight, timeAgo } from "../lib/parts.js";

const SIZE = 25;

export async function beaconView(app, fromText) {
  const { network, rpc } = app;
  const list = slot(h("div"));
  const element = h("div", { class: "view" }, chainTabs(network.shardCount, "beacon"), heading("Coordinates the shards", [chainMark("beacon"), "Beacon chain"]), panel("Blocks", list.element));
  const update = async () => {
    const head = int(network.status.beacon.head.number);
    const last = fromText === undefined ? head : Math.min(head, Number(fromText));
    const first = Math.max(0, last - SIZE + 1);
    const known = new Map(network.beaconBlocks.map((block) => [int(block.number), block]));
    const key = `${last} ${head - last < SIZE}`;
    const blocks = await Promise.all(Array.from({ length: last - first + 1 }, (_, i) => known.get(last - i) ?? ask(rpc, last - i)));
    list.set(key, () => [tight(["Block", "Age", "*Epoch", "*Proposer", "Crosslinks"], blocks.filter(Boolean).map((block) => [
      blockLink("beacon", int(block.number)), timeAgo(int(block.timestamp)), h("span", { class: "num" }, count(int(block.epoch))), proposer(block), crosslinks(block)]),
      "There are no blocks yet."), pager("/beacon", first, last, head, SIZE)]);
  };
  return { title: "Beacon chain", element, update };
}

const pages = new Map();

async function ask(rpc, number) {
  if (pages.has(number)) return pages.get(number);
  const block = await rpc.beacon("beacon_getBlock", `0x${number.toString(16)}`);
  if (block) pages.set(number, block);
  return block;
}

const proposer = (block) => (int(block.number) === 0 ? h("span", { class: "quiet" }, "genesis") : link(`/validators/${int(block.epoch)}`, { class: "num" }, `Validator ${int(block.proposer)}`));

const crosslinks = (block) => (block.crosslinks.length
  ? h("span", { class: "crosslinks" }, block.crosslinks.map((one) => h("span", { class: "hop" }, chainMark(int(one.shard)), blockLink(int(one.shard), int(one.number)))))
  : h("span", { class: "quiet" }, "none"));

export async function beaconBlockView(app, id) {
  const { network, rpc } = app;
  const block = await rpc.beacon("beacon_getBlock", id.startsWith("0x") ? id : `0x${Number(id).toString(16)}`);
  const head = () => int(network.status.beacon.head.number);
  if (!block) return { title: "No such block", element: notFound("There is no such beacon block", `The beacon chain stands at block ${count(head())}.`) };
  const number = int(block.number);
  const steps = slot(h("span", { class: "steps" }));
  const mono = (text) => h("span", { class: "mono" }, text);
  const element = h("div", { class: "view" }, heading(chainName("beacon"), `Block ${count(number)}`, steps.element),
    panel(null, facts([
      ["Finality", pill("good", "Final")], ["Time", [timeAgo(int(block.timestamp)), ` · ${clock(int(block.timestamp))}`]],
      ["Epoch", link(`/validators/${int(block.epoch)}`, null, count(int(block.epoch)))], ["View", count(int(block.view))], ["Proposer", proposer(block)],
      ["Root", mono(block.hash)], ["Parent", number > 0 ? link(`/beacon/block/${number - 1}`, { class: "mono" }, block.parentRoot) : mono(block.parentRoot)],
      ["State root", mono(block.stateRoot)]])),
    panel("Crosslinks", tight(["Shard", "Block", "Hash"], block.crosslinks.map((one) => [chainName(int(one.shard)), blockLink(int(one.shard), int(one.number)),
      h("span", { class: "mono", title: one.hash }, short(one.hash, 18, 12))]), "This block records no shard block.")));
  const update = () => {
    const isNewest = number >= head();
    steps.set(String(isNewest), () => [number > 0 && link(`/beacon/block/${number - 1}`, { class: "button plain", rel: "prev" }, "← Previous"),
      !isNewest && link(`/beacon/block/${number + 1}`, { class: "button plain", rel: "next" }, "Next →")].filter(Boolean));
  };
  return { title: `Beacon block ${number}`, element, update };
}
