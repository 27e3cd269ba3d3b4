// What a search text may be, and where it is found.

import { addressFault } from "./checksum.js";
import { int } from "./format.js";

const NUMBER = /^(?:#?\s*\d{1,15}|0x[0-9a-f]{1,12})$/i;

/** Leads the search form to its view. */
export function watchSearch() {
  const form = document.getElementById("search"), field = document.getElementById("query");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim().replace(/,/g, "");
    if (!text) return field.focus();
    location.hash = addressFault(text) === null ? `#/address/${text.toLowerCase()}` : `#/search/${encodeURIComponent(text)}`;
    field.value = "";
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(?:INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName)) return;
    event.preventDefault();
    field.focus();
  });
}

/** What answers to a text: entries with the route and the name of each, or null when it is nothing that can be looked for. */
export async function find(app, text) {
  if (addressFault(text) === null) return [{ route: `/address/${text.toLowerCase()}`, name: "Address" }];
  if (NUMBER.test(text)) return byNumber(app, Number(text.replace(/^#\s*/, "")));
  if (/^(?:0x)?[0-9a-f]{64}$/i.test(text)) return byHash(app, text.toLowerCase().replace(/^(?!0x)/, "0x"));
  return null;
}

function byNumber({ network }, number) {
  const { status } = network;
  const found = status.shards.filter((entry) => number <= network.head(int(entry.shard))).map((entry) => ({
    route: `/shard/${int(entry.shard)}/block/${number}`, name: `Block ${number} of shard ${int(entry.shard)}` }));
  if (number <= int(status.beacon.head.number)) found.push({ route: `/beacon/block/${number}`, name: `Block ${number} of the beacon chain` });
  return found;
}

async function byHash({ network, rpc }, hash) {
  const ask = (promise, entry) => promise.then((answer) => (answer ? [entry] : []), () => []);
  const shards = [...Array(network.shardCount).keys()];
  const found = await Promise.all([
    ...shards.map((shard) => ask(rpc.shard(shard, "eth_getTransactionByHash", hash), { route: `/shard/${shard}/tx/${hash}`, name: `Transaction on shard ${shard}` })),
    ...shards.map((shard) => ask(rpc.shard(shard, "eth_getBlockByHash", hash, false), { route: `/shard/${shard}/block/${hash}`, name: `Block of shard ${shard}` })),
    rpc.beacon("shard_getCrossShardTransaction", hash).then((life) => (life ?.receipts ?? []).map((one) => ({ route: `/message/${one.id}`, name: `Message from shard ${int(one.source)} to shard ${int(one.destination)}` })), () => []),
    ask(rpc.beacon("beacon_getBlock", hash), { route: `/beacon/block/${hash}`, name: "Block of the beacon chain" })]);
  return found.flat();
}
