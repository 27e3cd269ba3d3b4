// Coins for an address on a devnet, and every shard for a wallet.

import { addressFault } from "../lib/checksum.js";
import { h } from "../lib/dom.js";
import { coins, int, visible } from "../lib/format.js";
import { blockLink, chainMark, chainName, heading, panel, transactionLink } from "../lib/parts.js";
import { addButton, hasWallet, walletAccount, walletFacts } from "../lib/wallet.js";

const GIVEN_SHOWN = 10;

export async function faucetView(app) {
  const { config } = app;
  const given = [];
  const element = h("div", { class: "view" },
    heading(config.devnet ? "A network for development" : null, config.devnet ? "Faucet" : "Wallet"),
    config.devnet && faucet(app, given),
    h("h2", { class: "section" }, "Add the shards to a wallet"),
    h("p", { class: "lead" }, "To a wallet each shard is a network of its own: the same account, another chain id, another balance."),
    h("div", { class: "cards wide" }, config.shards.map((entry) => h("article", { class: "card" }, h("header", null, h("h3", null, chainName(entry.shard, false))), walletFacts(entry), addButton(entry)))));
  return { title: config.devnet ? "Faucet" : "Wallet", element, update: () => follow(app, given) };
}

function faucet(app, given) {
  const { config } = app;
  const said = h("p", { class: "said", role: "status" }), done = h("ul", { class: "lines given" });
  const address = h("input", { id: "faucet-address", name: "address", required: true, maxlength: 42, spellcheck: "false", autocapitalize: "off", placeholder: "0x…", "aria-describedby": "faucet-said" });
  said.id = "faucet-said";
  const choice = h("fieldset", { class: "choice" }, h("legend", null, "On shard"), config.shards.map((entry) =>
    h("label", null, h("input", { type: "radio", name: "shard", value: entry.shard, checked: entry.shard === 0 }), h("span", null, chainMark(entry.shard), `Shard ${entry.shard}`))));
  const button = h("button", { type: "submit", class: "button" }, "Give 100 coins");
  const own = h("button", { type: "button", class: "button plain", hidden: !hasWallet(), on: { click: async () => {
    try {
      address.value = (await walletAccount()) ?? address.value;
    } catch (error) {
      said.textContent = `The wallet gave no account: ${visible(String(error?.message ?? error))}`;
    }
  } } }, "Use the wallet's account");
  const submit = async (event) => {
    event.preventDefault();
    const wanted = address.value.trim(), fault = addressFault(wanted);
    if (fault) {
      said.textContent = fault;
      address.focus();
      return;
    }
    const shard = Number(new FormData(form).get("shard"));
    button.disabled = true;
    said.textContent = "Asking the faucet…";
    try {
      const grant = await app.rpc.shard(shard, "dev_faucet", wanted);
      said.textContent = "";
      const place = h("span", { class: "quiet" }, "in the pool");
      given.push({ shard, hash: grant.transactionHash, place });
      done.prepend(h("li", null, `${coins(grant.amount)} coins on `, chainName(shard), " by ", transactionLink(shard, grant.transactionHash), " ", place));
      while (done.children.length > GIVEN_SHOWN) done.lastChild.remove();
    } catch (error) {
      said.textContent = `The faucet gave nothing: ${visible(error.message)}`;
    }
    button.disabled = false;
  };
  const form = h("form", { class: "faucet", on: { submit } }, h("label", { for: "faucet-address" }, "Address"), address, choice, h("p", { class: "form-end" }, button, own), said);
  return panel("100 coins for an address", [form, done]);
}

/** Tells of each grant when it is in a block. */
async function follow(app, given) {
  await Promise.all(given.filter((one) => !one.done).map(async (one) => {
    const receipt = await app.rpc.shard(one.shard, "eth_getTransactionReceipt", one.hash);
    if (!receipt) return;
    one.done = true;
    one.place.replaceChildren("in block ", blockLink(one.shard, int(receipt.blockNumber)));
  }));
}
