// A shard: where it stands, its blocks, its wallet button.

import { h, link, slot } from "../lib/dom.js";
import { count, gasPrice, int } from "../lib/format.js";
import { blockRows, chainMark, chainTabs, figuresOf, heading, notFound, pager, panel, tight } from "../lib/parts.js";
import { addButton } from "../lib/wallet.js";

const SIZE = 25;
const COLUMNS = ["Block", "Age", "Txs", "*Gas used", "*Proposer's account", "Finality"];

export async function shardView(app, shardText, fromText) {
  const { network, rpc, config } = app;
  const shard = Number(shardText);
  if (shard >= network.shardCount) return { title: "No such shard", element: notFound(`There is no shard ${shard}`, `This network has shards 0 to ${network.shardCount - 1}.`) };
  const facing = slot(h("div")), list = slot(h("div"));
  const element = h("div", { class: "view" }, chainTabs(network.shardCount, shard),
    heading(`Chain id ${config.shards[shard].chainId}`, [chainMark(shard), `Shard ${shard}`], addButton(config.shards[shard]), config.devnet && link("/faucet", { class: "button plain" }, "Get coins")),
    panel(null, facing.element), panel("Blocks", list.element));
  const update = async () => {
    const entry = network.shard(shard);
    facing.set(JSON.stringify(entry), () => figuresOf([
      ["Latest", entry.latest ? count(int(entry.latest.number)) : "not hosted here"], ["Safe", entry.safe && count(int(entry.safe.number))],
      ["Finalized", count(int(entry.finalized.number))], ["Base fee", gasPrice(entry.baseFeePerGas)],
      ["Pool", entry.pool && `${count(int(entry.pool.pending))} + ${count(int(entry.pool.queued))} waiting`],
      ["Committee", `${count(entry.committee.length)} ${entry.committee.length === 1 ? "validator" : "validators"}`]]));
    const head = network.head(shard);
    const last = fromText === undefined ? head : Math.min(head, Number(fromText));
    const first = Math.max(0, last - SIZE + 1);
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => last - i);
    const known = new Map(network.blocks[shard].map((block) => [int(block.number), block]));
    const key = `${last} ${entry.finalized.number} ${fromText === undefined ? "" : head - last < SIZE}`;
    const blocks = await Promise.all(numbers.map((number) => known.get(number) ?? pages.get(`${shard}/${number}`) ?? ask(rpc, shard, number)));
    list.set(key, () => [tight(COLUMNS, blockRows(network, shard, blocks.filter(Boolean)), "There are no blocks yet."), pager(`/shard/${shard}`, first, last, head, SIZE)]);
  };
  return { title: `Shard ${shard}`, element, update };
}

const PAGES_KEPT = 500;
const pages = new Map();

/** Blocks are final when they are seen, so an older one is asked for once. */
async function ask(rpc, shard, number) {
  const block = await rpc.shard(shard, "eth_getBlockByNumber", `0x${number.toString(16)}`, false);
  if (pages.size >= PAGES_KEPT) pages.delete(pages.keys().next().value);
  if (block) pages.set(`${shard}/${number}`, block);
  return block;
}
