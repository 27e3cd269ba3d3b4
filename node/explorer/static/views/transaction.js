// One transaction: what it asked for, what the EVM left of it, and what it sent to other shards.

import { h, slot } from "../lib/dom.js";
import { clock, coins, count, gasPrice, int, sizeOf, textOf, visible } from "../lib/format.js";
import { kindName, sentOf } from "../lib/decode.js";
import { addressLink, amount, blockLink, bytes, chainName, copyButton, facts, finalityPill, heading, messageLink, meter, notFound, panel, pill, timeAgo } from "../lib/parts.js";

const TYPES = { "0x0": "Legacy", "0x1": "With access list (EIP-2930)", "0x2": "Dynamic fee (EIP-1559)", "0x4": "Sets code (EIP-7702)", "0x7d": "Delivery of a message" };

export async function transactionView(app, shardText, hash) {
  const { network, rpc } = app;
  const shard = Number(shardText);
  if (shard >= network.shardCount) return { title: "No such shard", element: notFound(`There is no shard ${shard}`, `This network has shards 0 to ${network.shardCount - 1}.`) };
  const body = slot(h("div", { class: "stack" }));
  const state = slot(h("span"));
  const element = h("div", { class: "view" }, heading(chainName(shard), "Transaction", state.element),
    h("p", { class: "whole mono" }, hash, copyButton(hash, "the hash")), body.element);
  let done = false;
  const update = async () => {
    if (done) return refresh();
    const [transaction, receipt] = await Promise.all([rpc.shard(shard, "eth_getTransactionByHash", hash), rpc.shard(shard, "eth_getTransactionReceipt", hash)]);
    if (!transaction) {
      state.set("gone", () => pill("bad", "Unknown"));
      return body.set("none", () => h("p", { class: "notice" }, `Shard ${shard} knows no such transaction. If it was sent just now, it shows up here by itself.`));
    }
    if (!receipt) {
      state.set("pool", () => pill("wait", "In the pool"));
      return body.set("pool", () => panel("What it asks for", asked(transaction, null)));
    }
    done = receipt;
    const [reason, block] = await Promise.all([receipt.status === "0x1" ? null : reasonOf(rpc, shard, transaction), transaction.blockTimestamp]);
    body.set("done", () => [
      reason && h("div", { class: "notice bad", role: "note" }, h("strong", null, "It failed: "), h("span", { class: "revert" }, visible(reason.message)),
        h("p", { class: "quiet" }, "As the node tells when the same call is made on top of the block before.")),
      panel(null, facts([
        ["Block", [blockLink(shard, int(receipt.blockNumber)), `, place ${int(receipt.transactionIndex)}`]],
        ["Time", [timeAgo(int(block)), ` · ${clock(int(block))}`]],
        ["Fee", transaction.type === "0x7d" ? "paid on the source, if there was one" : amount(BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice), 9)],
        ["Gas", h("span", { class: "gas" }, `${count(int(receipt.gasUsed))} of ${count(int(transaction.gas))}`, meter(int(receipt.gasUsed), int(transaction.gas)))],
        ["Gas price", gasPrice(receipt.effectiveGasPrice)],
        ["Created", receipt.contractAddress && addressLink(receipt.contractAddress, true)]])),
      panel("What it asked for", asked(transaction, receipt)),
      sentPanel(receipt), panel(`Logs (${receipt.logs.length})`, logs(receipt.logs))]);
    refresh();
  };
  const refresh = () => {
    const finality = network.finality(shard, int(done.blockNumber));
    state.set(finality, () => [done.status === "0x1" ? pill("good", "Succeeded") : pill("bad", "Failed"), " ", finalityPill(finality)]);
  };
  return { title: "Transaction", element, update };
}

/** Why a failed transaction failed: the same call on the state before its block. */
async function reasonOf(rpc, shard, one) {
  const call = { from: one.from, to: one.to, gas: one.gas, value: one.value, input: one.input };
  const before = `0x${(BigInt(one.blockNumber) - 1n).toString(16)}`;
  try {
    await rpc.shard(shard, "eth_call", call, before);
    return { message: "no reason is known (the call succeeds on top of the block before)" };
  } catch (error) {
    return error;
  }
}

function asked(one, receipt) {
  const isDelivery = one.type === "0x7d";
  return facts([
    ["Kind", TYPES[one.type] ?? one.type],
    ["Message", isDelivery ? [messageLink(one.receiptId), ` · ${kindName(int(one.kind))} from `, chainName(int(one.sourceShard))] : null],
    ["From", addressLink(one.from, true)], ["To", addressLink(one.to, true)], ["Value", amount(one.value)],
    ["Nonce", count(int(one.nonce))], ["Offered", !receipt && one.maxFeePerGas ? `at most ${gasPrice(one.maxFeePerGas)} a gas` : null],
    [`Data (${count(sizeOf(one.input))} bytes)`, bytes(one.input)]]);
}

function sentPanel(receipt) {
  const sent = receipt.logs.map(sentOf).filter(Boolean);
  if (!sent.length) return null;
  return panel("Messages to other shards", h("ul", { class: "lines" }, sent.map((message) => h("li", null, messageLink(message.id), ` ${kindName(message.kind)} to `,
    chainName(message.destination), ` for `, addressLink(message.to), ` of ${coins(message.amount)} coins`))));
}

export function logs(list) {
  if (!list.length) return h("p", { class: "empty" }, "No contract logged anything.");
  return h("ol", { class: "logs" }, list.map((log) => {
    const text = textOf(log.data);
    return h("li", null, h("p", null, h("span", { class: "quiet num" }, `#${int(log.logIndex)} `), addressLink(log.address)),
      log.topics.map((topic, i) => h("p", { class: "mono topic" }, h("span", { class: "quiet" }, `topic ${i} `), topic)),
      bytes(log.data), text && h("p", { class: "spelled" }, h("span", { class: "quiet" }, "as text "), text));
  }));
}
