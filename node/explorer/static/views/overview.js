// The network at a glance, live.

import { h, link, slot } from "../lib/dom.js";
import { coins, count, gasPrice, int } from "../lib/format.js";
import { blockLink, chainMark, chainName, hueOf, BEACON_HUE, panel, pill, tight, timeAgo } from "../lib/parts.js";
import { weave } from "../lib/weave.js";
import { messageTable } from "./message.js";

const BLOCKS_SHOWN = 8, MESSAGES_SHOWN = 6;

export async function overview(app) {
  const { network } = app;
  const parts = { figures: slot(h("div", { class: "figures" })), picture: slot(h("div", { class: "weave-frame" })), cards: slot(h("div", { class: "cards" })),
    blocks: slot(h("div")), messages: slot(h("div")) };
  const element = h("div", { class: "view" },
    h("h1", { class: "hidden" }, "Overview"),
    parts.figures.element,
    panel("Blocks and crosslinks, live", parts.picture.element, h("p", { class: "legend" }, h("i", { class: "dot final" }), "crosslinked ", h("i", { class: "dot" }), "final on its shard")),
    parts.cards.element,
    h("div", { class: "columns" }, panel("Newest blocks", parts.blocks.element), panel("Messages between shards", parts.messages.element, link("/messages", null, "All"))));
  return { title: "Overview", element, update: () => update(app, parts) };
}

function update(app, parts) {
  const { network } = app;
  const { status, supply } = network;
  const rate = network.rate().toFixed(1);
  const inFlight = supply.inFlight.reduce((sum, flow) => sum + BigInt(flow.value), 0n);
  const balanced = BigInt(supply.imbalance) === 0n;
  parts.figures.set([rate, status.peers, inFlight, supply.imbalance, network.pending, network.closed].join(), () => [
    figure("Transactions", `${rate}`, "a second, over 30 s"),
    figure("Messages in flight", count(network.pending), network.closed ? `${count(network.closed)} full, closed for now` : inFlight ? `${coins(inFlight, 4)} coins on the way` : "nothing on the way"),
    figure("Peers", count(int(status.peers)), status.ready ? "this node is up to date" : int(status.peers) ? "catching up" : "cut off"),
    figure("Supply", balanced ? pill("good", "Balanced") : pill("bad", `Off by ${coins(supply.imbalance)}`), link("/supply", null, "every term"))]);
  parts.picture.set(Math.floor(Date.now() / 500) + app.width(), () => weave(network, app.width()));
  parts.cards.set(JSON.stringify([status.shards, status.beacon, network.blocks.map((blocks, shard) => network.rate(shard))]), () => [
    beaconCard(app), ...status.shards.map((entry) => shardCard(network, entry))]);
  const newest = network.blocks.flatMap((blocks, shard) => blocks.slice(0, BLOCKS_SHOWN).map((block) => ({ shard, block })))
    .sort((a, b) => int(b.block.timestamp) - int(a.block.timestamp) || int(b.block.number) - int(a.block.number)).slice(0, BLOCKS_SHOWN);
  parts.blocks.set(newest.map(({ block }) => block.hash).join(), () => tight(["Chain", "Block", "Transactions", "Age"], newest.map(({ shard, block }) =>
    [chainName(shard), blockLink(shard, int(block.number)), h("span", { class: "num" }, count(block.transactions.length)), timeAgo(int(block.timestamp))]), "There are no blocks yet."));
  const messages = network.messages.slice(0, MESSAGES_SHOWN);
  parts.messages.set(messages.map((message) => message.id).join(), () => messageTable(messages, "No message has left a shard lately."));
}

const figure = (name, value, note) => h("div", { class: "figure" }, h("span", { class: "figure-name" }, name), h("strong", null, value), h("span", { class: "figure-note" }, note));

function heads(rows) {
  return h("dl", { class: "heads" }, rows.map(([name, value, title]) => h("div", { title }, h("dt", null, name), h("dd", { class: "num" }, value))));
}

function shardCard(network, entry) {
  const shard = int(entry.shard);
  const known = (ref) => (ref ? blockLink(shard, int(ref.number)) : "–");
  const pool = entry.pool;
  return h("article", { class: "card", vars: { hue: hueOf(shard) } },
    h("header", null, h("h2", null, link(`/shard/${shard}`, null, chainMark(shard), `Shard ${shard}`)), h("span", { class: "quiet" }, `chain id ${int(entry.chainId)}`)),
    h("p", { class: "height num" }, count(network.head(shard)), !entry.latest && h("small", null, " not hosted here")),
    heads([["Safe", known(entry.safe), "Final by the shard's committee"], ["Finalized", known(entry.finalized), "Recorded in a final beacon block"],
      ["Base fee", gasPrice(entry.baseFeePerGas)],
      ["Rate", h("span", null, network.rate(shard).toFixed(1), h("small", null, " tx/s"))],
      ["Pool", pool ? h("span", { title: "Ready, and behind a nonce gap" }, `${count(int(pool.pending))} + ${count(int(pool.queued))}`) : "–"],
      ["Committee", count(entry.committee.length)]]));
}

function beaconCard(app) {
  const { beacon } = app.network.status;
  const number = int(beacon.head.number), epoch = int(beacon.epoch);
  return h("article", { class: "card", vars: { hue: BEACON_HUE } },
    h("header", null, h("h2", null, link("/beacon", null, chainMark("beacon"), "Beacon chain")), h("span", { class: "quiet" }, `epoch ${count(epoch)}`)),
    h("p", { class: "height num" }, blockLink("beacon", number)),
    heads([["Finalized", blockLink("beacon", number)], ["Epoch", link(`/validators/${epoch}`, null, count(epoch))], ["Committee", count(beacon.committee.length)],
      ["In the epoch", h("span", { title: "Beacon blocks of this epoch" }, `${count(number % app.config.epochLength)} of ${count(app.config.epochLength)}`)]]));
}
