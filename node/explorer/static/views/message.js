// Cross-shard messages: the newest, and the life of one drawn as a line.

import { h, slot } from "../lib/dom.js";
import { coins, count, int } from "../lib/format.js";
import { kindName } from "../lib/decode.js";
import { addressLink, amount, blockLink, bytes, chainName, copyButton, facts, heading, hop, messageLink, panel, pill, tight, transactionLink } from "../lib/parts.js";
import { lifeline } from "../lib/lifeline.js";

const UNUSED = [null, "goes home as a message of its own", "is paid on the destination; only a refund goes home", "goes home with the result", null];

function stateOf(life) {
  if (life.callback?.outcome === "failed") return ["bad", "Callback failed"];
  if (life.outcome === "failed") return ["bad", "Failed"];
  if (life.outcome === "refunded") return life.returned?.delivery ? ["bad", "Refunded"] : ["wait", "Refund on its way"];
  if (life.delivery) return ["good", "Delivered"];
  return life.crosslink ? ["wait", "On its way"] : ["wait", "Sent"];
}

function callbackOf(life) {
  const home = int(life.kind) === 3 ? int(life.source) : int(life.destination);
  const { gas, callSucceeded, outcome, block } = life.callback;
  const told = callSucceeded === null ? "the call is not answered yet" : callSucceeded ? "tells that the call succeeded" : "tells that the call failed";
  return [`${count(int(gas))} gas, ${told}`, outcome ? [outcome === "success" ? ", ran in block " : ", failed in block ", blockLink(home, int(block.number))] : ""];
}

export function messageTable(messages, nothing) {
  return tight(["Message", "*Kind", "Way", "*Sent in block", "Amount"], messages.map((one) => [messageLink(one.id), kindName(one.kind),
    hop(one.source, one.destination), blockLink(one.source, one.block), h("span", { class: "num", title: `${one.amount} wei` }, coins(one.amount, 6))]), nothing);
}

export async function messagesView(app) {
  const { network } = app;
  const list = slot(h("div"));
  const element = h("div", { class: "view" }, heading("Between shards", "Messages"),
    h("p", { class: "lead" }, "A message leaves a shard through its Outbox, is crosslinked by the beacon chain, and is carried out on its destination exactly once. These are the newest; the search finds older ones by id or transaction."),
    panel(null, list.element));
  const update = () => list.set(network.messages.map((one) => one.id).join(), () => messageTable(network.messages, "No message has left a shard lately. Send one: shardnet send --from 0 --to 1 --value 1.5 --shard 0 --to-shard 1"));
  return { title: "Messages", element, update };
}

export async function messageView(app, id) {
  const { rpc } = app;
  const state = slot(h("span")), picture = slot(h("div")), body = slot(h("div"));
  const element = h("div", { class: "view" }, heading("Message between shards", "A message's life", state.element),
    h("p", { class: "whole mono" }, id, copyButton(id, "the id")), panel(null, picture.element), panel("What it carries", body.element));
  const update = async () => {
    const found = await rpc.beacon("shard_getCrossShardTransaction", id);
    const life = found?.receipts.find((one) => one.id === id) ?? found?.receipts[0];
    if (!life) {
      state.set("unknown", () => pill("bad", "Unknown"));
      return picture.set("none", () => h("p", { class: "empty" }, "No shard that this node hosts has sent such a message. If it was sent just now, it shows up here by itself."));
    }
    const [tone, word] = stateOf(life);
    state.set(word, () => pill(tone, word));
    picture.set(JSON.stringify([life, app.width()]), () => lifeline(life, app.width()));
    body.set(JSON.stringify([life.id, life.callback]), () => facts([
      ["Kind", kindName(int(life.kind))], ["Way", [chainName(int(life.source)), " → ", chainName(int(life.destination))]],
      ["Amount", amount(life.amount)], ["Sender", addressLink(life.sender, true)], ["Receiver", addressLink(life.to, true)],
      ["Sent by", transactionLink(int(life.source), life.sent.transactionHash, true)],
      ["Place in its channel", count(int(life.nonce))],
      ["Gas", int(life.kind) === 0 ? null : count(int(life.gasLimit))], ["Fee paid in advance", int(life.kind) === 0 ? null : amount(life.fee)],
      ["Unused fee", UNUSED[int(life.kind)]], ["Refund to", int(life.kind) === 0 ? null : addressLink(life.refundTo, true)], ["Data", life.data === "0x" ? null : bytes(life.data)],
      ["Callback", life.callback ? callbackOf(life) : null],
      ["The call returned", life.callback?.returnData && life.callback.returnData !== "0x" ? bytes(life.callback.returnData) : null]]));
  };
  return { title: "Message", element, update };
}
