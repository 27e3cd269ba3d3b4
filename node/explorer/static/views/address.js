// An address on all shards.

import { withChecksum } from "../lib/checksum.js";
import { h, slot } from "../lib/dom.js";
import { coins, count, int, sizeOf } from "../lib/format.js";
import { History, ROWS_MAX } from "../lib/history.js";
import { stringIn } from "../lib/decode.js";
import { addressLink, amount, blockLink, chainName, copyButton, heading, nameOf, panel, pill, table, timeAgo, transactionLink } from "../lib/parts.js";
import { kindOf } from "./block.js";
import { logs } from "./transaction.js";

const NAME_CALL = "0x06fdde03", SYMBOL_CALL = "0x95d89b41";
const LOG_BLOCKS = 200, LOGS_SHOWN = 20;

export async function addressView(app, address) {
  const { network, rpc } = app;
  const shards = [...Array(network.shardCount).keys()];
  const written = withChecksum(address);
  const total = slot(h("div")), rows = slot(h("div")), done = slot(h("div")), said = slot(h("div", { class: "stack" }));
  const element = h("div", { class: "view" }, heading(nameOf(address) ?? "Address", "On all shards", total.element),
    h("p", { class: "whole mono" }, written, copyButton(written, "the address")), panel(null, rows.element),
    panel("Newest transactions", done.element), said.element);
  done.set("reading", () => h("p", { class: "empty" }, "Looking through the newest blocks…"));
  const histories = shards.map((shard) => new History(rpc, network, shard, address));
  // beside the view, which is there before its blocks are; the next update shows them
  const reading = histories.map((history) => history.read().catch(() => null));
  let isRead = false;
  Promise.all(reading).then(() => { isRead = true; });
  const details = await Promise.all(shards.map((shard) => describe(rpc, network, shard, address)));
  said.set("once", () => details.filter((one) => one.events.length).map((one) =>
    panel(["Events on ", chainName(one.shard, false), ` in the last ${LOG_BLOCKS} blocks`], logs(one.events.slice(-LOGS_SHOWN).reverse()))));
  const update = async () => {
    if (isRead) {
      await Promise.all(histories.map((history) => history.follow().catch(() => null)));
      done.set(histories.map((one) => `${one.newest} ${one.blocksRead}`).join(), () => transactions(histories, address));
    }
    const [held, ...pending] = await Promise.all([rpc.beacon("shard_getBalances", address, "latest"),
      ...shards.map((shard) => rpc.shard(shard, "eth_getTransactionCount", address, "pending").catch(() => null))]);
    total.set(held.total, () => h("p", { class: "total" }, h("span", { class: "quiet" }, "together "), amount(held.total)));
    rows.set(JSON.stringify([held, pending]), () => table(["Shard", "Balance", "Nonce", "Waiting", "Code"], held.shards.map((entry, i) => {
      if (entry.balance === null) return [chainName(i), h("span", { class: "quiet" }, "not known here"), "–", "–", "–"];
      const waiting = pending[i] === null ? 0 : int(pending[i]) - int(entry.nonce);
      return [chainName(i), amount(entry.balance), h("span", { class: "num" }, count(int(entry.nonce))),
        waiting > 0 ? pill("wait", `${count(waiting)} in the pool`) : h("span", { class: "quiet" }, "none"), code(details[i])];
    }), "There are no shards."));
  };
  return { title: "Address", element, update };
}

async function describe(rpc, network, shard, address) {
  const code = await rpc.shard(shard, "eth_getCode", address, "latest").catch(() => null);
  if (code === "0x" || code === null) return { shard, code, events: [] };
  const first = `0x${Math.max(0, network.head(shard) - LOG_BLOCKS + 1).toString(16)}`;
  const tell = (input) => rpc.shard(shard, "eth_call", { to: address, input }, "latest").then(stringIn, () => null);
  const [name, symbol, events] = await Promise.all([tell(NAME_CALL), tell(SYMBOL_CALL),
    rpc.shard(shard, "eth_getLogs", { address, fromBlock: first, toBlock: "latest" }).catch(() => [])]);
  return { shard, code, name, symbol, events };
}

function transactions(histories, address) {
  const found = histories.flatMap((history) => history.rows).sort((a, b) => b.time - a.time).slice(0, ROWS_MAX);
  const read = histories.map((history) => `${count(history.blocksRead)} of shard ${history.shard}`).join(", ");
  return [table(["Transaction", "Chain", "Block", "Age", "Kind", "With", "Value"], found.map(({ shard, time, one }) => [transactionLink(shard, one.hash), chainName(shard),
    blockLink(shard, int(one.blockNumber)), timeAgo(time), kindOf(one), other(one, address), h("span", { class: "num", title: `${BigInt(one.value)} wei` }, coins(one.value, 6))]), "It neither sent nor received one in these blocks."),
  h("p", { class: "empty" }, `Looked through: the newest blocks, ${read}; ${ROWS_MAX} transactions at most. Older ones are found by their hash.`)];
}

/** Whom it dealt with. */
function other(one, address) {
  if (one.from === address && one.to === address) return "itself";
  const [way, whom] = one.from === address ? [`to `, one.to] : [`from `, one.from];
  return h("span", null, way, addressLink(whom));
}

function code(one) {
  if (one.code === null) return h("span", { class: "quiet" }, "not known here");
  if (one.code === "0x") return h("span", { class: "quiet" }, "none");
  return h("span", null, `${count(sizeOf(one.code))} bytes`, one.name && h("span", { class: "says" }, " says its name is “", h("b", null, one.name), "”", one.symbol && [" (", h("b", null, one.symbol), ")"]));
}
