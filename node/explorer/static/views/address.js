// An address on all shards.

import { h, slot } from "../lib/dom.js";
import { count, int, sizeOf } from "../lib/format.js";
import { stringIn } from "../lib/decode.js";
import { amount, chainName, copyButton, heading, nameOf, panel, pill, table } from "../lib/parts.js";
import { logs } from "./transaction.js";

const NAME_CALL = "0x06fdde03", SYMBOL_CALL = "0x95d89b41";
const LOG_BLOCKS = 200, LOGS_SHOWN = 20;

export async function addressView(app, address) {
  const { network, rpc } = app;
  const shards = [...Array(network.shardCount).keys()];
  const total = slot(h("div")), rows = slot(h("div")), said = slot(h("div", { class: "stack" }));
  const element = h("div", { class: "view" }, heading(nameOf(address) ?? "Address", "On all shards", total.element),
    h("p", { class: "whole mono" }, address, copyButton(address, "the address")), panel(null, rows.element), said.element);
  const details = await Promise.all(shards.map((shard) => describe(rpc, network, shard, address)));
  said.set("once", () => details.filter((one) => one.events.length).map((one) =>
    panel(["Events on ", chainName(one.shard, false), ` in the last ${LOG_BLOCKS} blocks`], logs(one.events.slice(-LOGS_SHOWN).reverse()))));
  const update = async () => {
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

function code(one) {
  if (one.code === null) return h("span", { class: "quiet" }, "not known here");
  if (one.code === "0x") return h("span", { class: "quiet" }, "none");
  return h("span", null, `${count(sizeOf(one.code))} bytes`, one.name && h("span", { class: "says" }, " says its name is “", h("b", null, one.name), "”", one.symbol && [" (", h("b", null, one.symbol), ")"]));
}
