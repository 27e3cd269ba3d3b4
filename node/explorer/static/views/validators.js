// Who validates, with what stake, and who sits in which committee of an epoch.

import { h, link, slot } from "../lib/dom.js";
import { count, int, short } from "../lib/format.js";
import { addressLink, amount, chainName, heading, panel, table, tight } from "../lib/parts.js";

export async function validatorsView(app, epochText) {
  const { network, rpc } = app;
  const list = slot(h("div")), seats = slot(h("div")), steps = slot(h("span", { class: "steps" }));
  const element = h("div", { class: "view" }, heading("At the newest final beacon block", "Validators"), panel(null, list.element),
    h("div", { class: "heading" }, h("h2", { class: "section" }, "Committees"), steps.element), panel(null, seats.element));
  let shown = null;
  const update = async () => {
    const now = int(network.status.beacon.epoch);
    const epoch = epochText === undefined ? now : Number(epochText);
    const validators = await rpc.beacon("beacon_getValidators");
    list.set(JSON.stringify(validators), () => table(["Validator", "Stake", "Account", "Public key"], validators.map((one) => [
      h("b", { class: "num" }, int(one.index)), amount(one.stake, 2), addressLink(one.feeAddress), h("span", { class: "mono", title: one.publicKey }, short(one.publicKey, 14, 8))]), "There are no validators."));
    if (shown === `${epoch} ${now}`) return;
    shown = `${epoch} ${now}`;
    steps.set(shown, () => [epoch > 0 && link(`/validators/${epoch - 1}`, { class: "button plain" }, "← Earlier"), h("span", { class: "epoch" }, `Epoch ${count(epoch)}`, epoch === now && " (now)"),
      epoch <= now && link(`/validators/${epoch + 1}`, { class: "button plain" }, "Later →")].filter(Boolean));
    const told = await rpc.beacon("beacon_getCommittees", `0x${epoch.toString(16)}`);
    seats.set(JSON.stringify(told), () => (told ? tight(["Chain", "Members"], told.map((one) => [chainName(int(one.chain) === network.shardCount ? "beacon" : int(one.chain)), one.members.map(int).join(", ")]), "") : h("p", { class: "empty" }, "The committees of that epoch are not known to this node.")));
  };
  return { title: "Validators", element, update };
}
