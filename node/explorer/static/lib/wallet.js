// Wallets of the browser (EIP-6963, or window.ethereum), and how a shard is added to one (EIP-3085).

import { h } from "./dom.js";
import { visible } from "./format.js";
import { copyButton, facts } from "./parts.js";

const announced = new Map();
window.addEventListener("eip6963:announceProvider", ({ detail }) => {
  if (detail?.provider && detail.info?.uuid) announced.set(detail.info.uuid, { name: String(detail.info.name), provider: detail.provider });
});
window.dispatchEvent(new Event("eip6963:requestProvider"));

function wallets() {
  if (announced.size) return [...announced.values()];
  return window.ethereum?.request ? [{ name: "the browser's wallet", provider: window.ethereum }] : [];
}

/** What a wallet needs to know of a shard. */
export function chainOf(entry) {
  return {
    chainId: `0x${entry.chainId.toString(16)}`,
    chainName: `shardnet shard ${entry.shard}`,
    nativeCurrency: { name: "Coin", symbol: "COIN", decimals: 18 },
    rpcUrls: [rpcUrl(entry)],
  };
}

/** The shard's own port serves it at `/`; on a port that it shares, its path is needed. */
export const rpcUrl = (entry) => `http://${location.hostname}:${entry.port}${entry.ownPort ? "" : entry.path}`;

/** The button "Add to wallet" of a shard, with a place below it for what comes of it. */
export function addButton(entry) {
  const said = h("span", { class: "said", role: "status" });
  const add = async ({ name, provider }) => {
    said.textContent = `Look at ${visible(name)} for its question.`;
    try {
      await provider.request({ method: "wallet_addEthereumChain", params: [chainOf(entry)] });
      said.textContent = `Shard ${entry.shard} is in ${visible(name)}.`;
    } catch (error) {
      said.textContent = error?.code === 4001 ? "Nothing was added: you said no." : `It was not added: ${visible(String(error?.message ?? error))}`;
    }
  };
  const button = h("button", { type: "button", class: "button", on: { click: () => {
    const found = wallets();
    if (found.length === 1) add(found[0]);
    else if (found.length) choose(found, add);
    else explain(entry);
  } } }, `Add shard ${entry.shard} to wallet`);
  return h("span", { class: "add" }, button, said);
}

/** An account of the wallet, or null. */
export async function walletAccount() {
  const [first] = wallets();
  if (!first) return null;
  const accounts = await first.provider.request({ method: "eth_requestAccounts" });
  return typeof accounts?.[0] === "string" ? accounts[0] : null;
}

export const hasWallet = () => wallets().length > 0;

function dialog(title, ...content) {
  const box = h("dialog", { "aria-label": title, on: { close: () => box.remove() } }, h("h2", null, title), content,
    h("p", { class: "dialog-end" }, h("button", { type: "button", class: "button plain", on: { click: () => box.close() } }, "Close")));
  // it belongs to the view that it was opened in
  const gone = new AbortController();
  box.addEventListener("close", () => gone.abort());
  window.addEventListener("hashchange", () => box.close(), { signal: gone.signal });
  document.body.append(box);
  box.showModal();
  return box;
}

function choose(found, add) {
  const box = dialog("Which wallet?", h("ul", { class: "choices" }, found.map((wallet) => h("li", null,
    h("button", { type: "button", class: "button", on: { click: () => { box.close(); add(wallet); } } }, visible(wallet.name))))));
}

function explain(entry) {
  dialog("Add this shard by hand", h("p", null, "No wallet answers in this browser. In a wallet, choose “Add a network” and enter:"), walletFacts(entry));
}

/** What to enter in a wallet, to copy. */
export function walletFacts(entry) {
  const chain = chainOf(entry);
  const value = (text, what) => h("span", { class: "copied" }, h("code", null, text), copyButton(text, what));
  return facts([["Network name", value(chain.chainName, "the name")], ["RPC URL", value(chain.rpcUrls[0], "the RPC URL")],
    ["Chain id", value(String(entry.chainId), "the chain id")], ["Currency symbol", value(chain.nativeCurrency.symbol, "the symbol")]]);
}
