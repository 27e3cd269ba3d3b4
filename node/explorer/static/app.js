// The page's start: which view an address shows, what is said of the node above it, and the second's beat for what is live.

import { h, link, slot } from "./lib/dom.js";
import { ago, int, short, visible } from "./lib/format.js";
import { watchHeads } from "./lib/heads.js";
import { Network } from "./lib/network.js";
import { failure, notFound } from "./lib/parts.js";
import { CallRefused, Rpc } from "./lib/rpc.js";
import { watchSearch } from "./lib/search.js";
import { addressView } from "./views/address.js";
import { beaconBlockView, beaconView } from "./views/beacon.js";
import { blockView } from "./views/block.js";
import { faucetView } from "./views/faucet.js";
import { messagesView, messageView } from "./views/message.js";
import { overview } from "./views/overview.js";
import { searchView } from "./views/search.js";
import { shardView } from "./views/shard.js";
import { supplyView } from "./views/supply.js";
import { transactionView } from "./views/transaction.js";
import { validatorsView } from "./views/validators.js";

const HASH = "(0x[0-9a-f]{64})", ADDRESS = "(0x[0-9a-f]{40})", NUMBER = "(0|[1-9][0-9]{0,15})";
const ROUTES = [
  ["/", overview],
  [`/shard/${NUMBER}`, shardView],
  [`/shard/${NUMBER}/from/${NUMBER}`, shardView],
  [`/shard/${NUMBER}/block/${NUMBER}`, blockView],
  [`/shard/${NUMBER}/block/${HASH}`, blockView],
  [`/shard/${NUMBER}/tx/${HASH}`, transactionView],
  [`/address/${ADDRESS}`, addressView],
  ["/messages", messagesView],
  [`/message/${HASH}`, messageView],
  ["/validators", validatorsView],
  [`/validators/${NUMBER}`, validatorsView],
  ["/beacon", beaconView],
  [`/beacon/from/${NUMBER}`, beaconView],
  [`/beacon/block/${NUMBER}`, beaconBlockView],
  [`/beacon/block/${HASH}`, beaconBlockView],
  ["/supply", supplyView],
  ["/faucet", faucetView],
  ["/search/(.+)", searchView],
].map(([pattern, view]) => [new RegExp(`^${pattern}$`, "i"), view]);
const STILL_SECONDS = 10;

const main = document.getElementById("main");
const banner = slot(document.getElementById("banner"));
let app, current = null, turn = 0;

function routeOf(hash) {
  const path = hash.replace(/^#/, "").replace(/\/$/, "") || "/";
  for (const [pattern, view] of ROUTES) {
    const found = pattern.exec(path);
    // of an address that is searched for, the capitals count
    if (found) return { view, path, parameters: found.slice(1).map((text) => (/^0x/i.test(text) && view !== searchView ? text.toLowerCase() : text)) };
  }
  return { view: null, path, parameters: [] };
}

async function show() {
  const mine = ++turn;
  const { view, path, parameters } = routeOf(location.hash);
  current = null;
  markNavigation(path);
  main.setAttribute("aria-busy", "true");
  let made;
  try {
    if (!app.network.status) return showWaiting();
    made = view ? await view(app, ...parameters) : { title: "Not found", element: notFound("There is no such view", "The address in the browser's bar may be incomplete.") };
    await made.update?.();
  } catch (error) {
    if (mine !== turn) return;
    made = { title: "Error", element: failure(error), retry: true };
  }
  if (mine !== turn) return;
  current = made;
  document.title = `${made.title} · shardnet`;
  main.replaceChildren(made.element);
  main.removeAttribute("aria-busy");
}

function showWaiting() {
  main.replaceChildren(h("div", { class: "nothing" }, h("h1", null, app.network.failures ? "The node does not answer" : "Asking the node…"),
    app.network.failures > 0 && h("p", null, "This page was served by it, but its JSON-RPC port is silent. It is asked again until it answers.")));
  current = { title: "shardnet", waiting: true };
}

async function beat() {
  const { network } = app;
  document.body.classList.toggle("offline", network.failures > 0);
  banner.set(stateOf(network).join("|"), () => bannerOf(stateOf(network)));
  for (const time of document.querySelectorAll("time[data-at]")) time.textContent = ago(Number(time.dataset.at));
  if (network.failures) {
    if (current?.waiting) showWaiting();
    return;
  }
  // a view that is being made is not begun again: where the node is slower than the beat, it would never be there
  if (!current) return;
  if (current.waiting || current.retry) return show();
  const [shown, mine] = [current, turn];
  try {
    await shown.update?.();
    shown.failed = null;
  } catch (error) {
    if (mine === turn) shown.failed = error;
  }
}

function stateOf(network) {
  if (network.error instanceof CallRefused) return ["bad", "The node refuses to answer.", visible(network.error.message)];
  if (network.failures) return ["bad", "The node does not answer.", `${app.rpc.base} is asked again until it does; what is shown is the last that was heard.`];
  if (!network.status) return ["none"];
  if (!network.status.ready && !int(network.status.peers)) return ["bad", "This node is cut off.", "It has no peers, so it cannot tell whether newer blocks exist; its log says why."];
  if (!network.status.ready) return ["wait", "This node is catching up.", "It does not speak for the network yet: newer blocks may exist."];
  if (current?.failed) return ["wait", "This view is not up to date.", visible(current.failed.message)];
  const limit = STILL_SECONDS * 1000 + 3 * app.config.idleBlockTimeMs;
  if (Date.now() - network.lastGrowth > limit) return ["wait", "No new blocks.", "No chain has grown for a while: more than a third of the validators may be away."];
  return ["none"];
}

const bannerOf = ([tone, title, sentence]) => (tone === "none" ? [] : h("div", { class: `banner ${tone}` }, h("strong", null, title), " ", sentence));

function navigation() {
  const entries = [["/", "Overview"], ["/shard/0", "Blocks"], ["/messages", "Messages"], ["/validators", "Validators"], ["/supply", "Supply"],
    app.config.devnet ? ["/faucet", "Faucet"] : ["/faucet", "Wallet"]];
  document.getElementById("nav").replaceChildren(...entries.map(([route, name]) => link(route, null, name)));
  document.getElementById("kind").textContent = app.config.devnet ? "devnet" : "";
  document.getElementById("foot").replaceChildren(
    h("span", null, `Served by a node of version ${app.config.version}`), h("span", null, "JSON-RPC ", h("code", null, app.rpc.base)),
    h("span", null, "Genesis ", h("code", { title: app.config.genesisRoot }, short(app.config.genesisRoot))));
}

function markNavigation(path) {
  const group = /^\/(shard|beacon)/.test(path) ? "/shard/0" : path.startsWith("/message") ? "/messages" : path;
  for (const anchor of document.querySelectorAll("#nav a")) {
    const route = anchor.getAttribute("href").slice(1);
    const isHere = route === group || (route !== "/" && path.startsWith(`${route}/`));
    anchor.toggleAttribute("aria-current", isHere);
    if (!isHere) continue;
    anchor.setAttribute("aria-current", "page");
    anchor.parentElement.scrollLeft = anchor.offsetLeft - (anchor.parentElement.clientWidth - anchor.offsetWidth) / 2;
  }
}

async function start() {
  let config;
  try {
    config = await (await fetch("config.json")).json();
  } catch {
    main.replaceChildren(notFound("The node does not answer", "Start it, then load this page again."));
    return;
  }
  const ports = config.shards.map((entry) => entry.port);
  for (const entry of config.shards) entry.ownPort = ports.filter((port) => port === entry.port).length === 1;
  const rpc = new Rpc(config.rpcPort);
  app = { config, rpc, network: new Network(rpc, config), width: () => Math.max(300, Math.min(1180, main.clientWidth) - 40) };
  navigation();
  watchSearch();
  showWaiting();
  window.addEventListener("hashchange", () => {
    show().then(() => window.scrollTo(0, 0));
    main.focus({ preventScroll: true });
  });
  app.network.watch(beat);
  watchHeads(rpc, config.shards.map((entry) => entry.shard), () => !app.network.failures, () => app.network.hurry());
  await app.network.start();
}

start();
