// What the views are put together from.

import { withChecksum } from "./checksum.js";
import { OUTBOX } from "./decode.js";
import { h, link, s } from "./dom.js";
import { ago, clock, coins, count, int, short, visible } from "./format.js";

const KNOWN = new Map([
  [OUTBOX, "Outbox"],
  ["0x0000000000000000000000000000000000005a02", "Inbox"],
  ["0xbcd4042de499d14e55001ccbb24a551f3b954096", "Faucet"],
  ["0x000f3df6d732807ef1319fb7b8bb8522d0beac02", "Beacon roots"],
  ["0x0000f90827f1c53a10cb7a02335b175320002935", "Block hashes"],
]);
const HUES = [205, 28, 150, 330, 85, 260, 0, 180];
export const BEACON_HUE = 285;

/** The hue that stands for a shard everywhere on the page. */
export const hueOf = (shard) => HUES[shard % HUES.length] + 13 * Math.floor(shard / HUES.length);

export const chainMark = (shard) => h("i", { class: "mark", vars: { hue: shard === "beacon" ? BEACON_HUE : hueOf(shard) }, "aria-hidden": "true" });

/** A chain's name with its colour; `shard` is a number or "beacon". */
export function chainName(shard, linked = true) {
  const content = [chainMark(shard), shard === "beacon" ? "Beacon" : `Shard ${shard}`];
  if (!linked) return h("span", { class: "chain" }, content);
  return link(shard === "beacon" ? "/beacon" : `/shard/${shard}`, { class: "chain" }, content);
}

export const addressLink = (address, full = false) =>
  address
    ? link(`/address/${address}`, { class: "mono", title: withChecksum(address) }, KNOWN.get(address.toLowerCase()) ?? (full ? withChecksum(address) : short(withChecksum(address))))
    : h("span", { class: "quiet" }, "new contract");

export const nameOf = (address) => KNOWN.get(address.toLowerCase()) ?? null;

export const blockLink = (shard, number) => link(shard === "beacon" ? `/beacon/block/${number}` : `/shard/${shard}/block/${number}`, { class: "num" }, count(number));

export const transactionLink = (shard, hash, full = false) => link(`/shard/${shard}/tx/${hash}`, { class: "mono", title: hash }, full ? hash : short(hash));

export const messageLink = (id, full = false) => link(`/message/${id}`, { class: "mono", title: id }, full ? id : short(id));

export const timeAgo = (timestamp) => h("time", { datetime: new Date(timestamp * 1000).toISOString(), title: clock(timestamp), "data-at": timestamp }, ago(timestamp));

export const amount = (wei, digits = 18) => h("span", { class: "num", title: `${BigInt(wei)} wei` }, coins(wei, digits), " ", h("small", null, "coins"));

/** A state in a word; `tone` is good, bad, wait or plain. */
export const pill = (tone, word, title) => h("span", { class: `pill ${tone}`, title }, word);

export const finalityPill = (finality) =>
  finality === "finalized"
    ? pill("good", "Crosslinked", "Recorded in a final beacon block")
    : pill("wait", "Final on shard", "Final by the shard's committee; not recorded in a final beacon block yet");

/** A page's head: what it is, its name, and what can be done. */
export const heading = (over, title, ...extra) => h("div", { class: "heading" }, h("div", null, over && h("p", { class: "over" }, over), h("h1", null, title)), extra.length > 0 && h("div", { class: "heading-extra" }, extra));

export const panel = (title, content, extra) => h("section", { class: "panel" }, title && h("div", { class: "panel-head" }, h("h2", null, title), extra), content);

/** Names and values; entries whose value is null are left out. */
export const facts = (entries) => h("dl", { class: "facts" }, entries.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));

/** Names and values side by side. */
export const figuresOf = (entries) => h("dl", { class: "row" }, entries.filter(([, value]) => value !== null).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", { class: "num" }, value))));

/** A table that becomes cards on a narrow screen; `columns` are names, `rows` lists of cells. */
export function table(columns, rows, nothing, form = "carded") {
  if (!rows.length) return empty(nothing);
  const names = columns.map((name) => name.replace("*", ""));
  const place = (i) => (columns[i].startsWith("*") ? "wide-only" : null);
  return h("div", { class: `table ${form}` }, h("table", null,
    h("thead", null, h("tr", null, names.map((name, i) => h("th", { scope: "col", class: place(i) }, name)))),
    h("tbody", null, rows.map((cells) => h("tr", null, cells.map((cell, i) => h("td", { "data-name": names[i], class: place(i) }, cell)))))));
}

/** A table that stays one on a narrow screen, without the columns whose names start with `*`. */
export const tight = (columns, rows, nothing) => table(columns, rows, nothing, "tight");

/** From one chain to another. */
export const hop = (source, destination) => h("span", { class: "hop", title: `shard ${source} to shard ${destination}` }, chainMark(source), source, h("span", { class: "quiet" }, "→"), chainMark(destination), destination);

export const empty = (sentence) => h("p", { class: "empty" }, sentence);

/** What went wrong, in the node's words. */
export function failure(error) {
  return h("div", { class: "notice bad", role: "alert" }, h("strong", null, "This could not be read."), h("p", null, visible(error.message)));
}

export const notFound = (title, sentence) => h("div", { class: "nothing" }, h("h1", null, title), h("p", null, sentence), h("p", null, link("/", null, "Back to the overview")));

/** Hexadecimal that can be scrolled and copied. */
export const bytes = (hex) => (hex === "0x" ? h("span", { class: "quiet" }, "none") : h("div", { class: "bytes mono", tabindex: "0" }, hex));

export function copyButton(text, what) {
  const button = h("button", { type: "button", class: "copy", "aria-label": `Copy ${what}`, on: { click: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it and press Ctrl-C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  } } }, "Copy");
  return button;
}

/** The tabs of all chains. */
export const chainTabs = (shardCount, current) =>
  h("nav", { class: "tabs", "aria-label": "Chains" }, [...Array(shardCount).keys(), "beacon"].map((chain) =>
    link(chain === "beacon" ? "/beacon" : `/shard/${chain}`, { "aria-current": chain === current && "page" }, chainMark(chain), chain === "beacon" ? "Beacon" : `Shard ${chain}`)));

/** Older and newer pages of a list of heights. */
export const pager = (base, first, last, head, size) =>
  h("nav", { class: "pager", "aria-label": "Pages" },
    last < head && link(last + size >= head ? base : `${base}/from/${last + size}`, null, "← Newer"),
    h("span", null, `${count(first)} – ${count(last)}`),
    first > 0 && link(`${base}/from/${first - 1}`, null, "Older →"));

/** A bar of gas or another part of a whole. */
export const meter = (part, whole) => {
  const share = whole > 0 ? Math.min(1, part / whole) : 0;
  return s("svg", { class: "meter", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { width: 100, height: 6, rx: 3, class: "meter-whole" }), s("rect", { width: share * 100, height: 6, rx: 3, class: "meter-part" }));
};

/** Rows for a shard's blocks. */
export const blockRows = (network, shard, blocks) => blocks.map((block) => {
  const number = int(block.number);
  return [blockLink(shard, number), timeAgo(int(block.timestamp)), h("span", { class: "num" }, count(block.transactions.length)),
    h("span", { class: "gas" }, h("span", { class: "num" }, count(int(block.gasUsed))), meter(int(block.gasUsed), int(block.gasLimit))),
    addressLink(block.miner), finalityPill(network.finality(shard, number))];
});
