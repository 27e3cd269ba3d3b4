// Who validates, with what stake, and who sits in which committee of an epoch.

import { h, link, slot } from "../lib/dom.js";
import { count, int, short, visible } from "../lib/format.js";
import { addressLink, amount, chainName, heading, meter, panel, pill, table, tight } from "../lib/parts.js";

export async function validatorsView(app, epochText) {
  const { network, rpc } = app;
  const list = slot(h("div")), seats = slot(h("div")), steps = slot(h("span", { class: "steps" }));
  const element = h("div", { class: "view" }, heading("At the newest final beacon block", "Validators"),
    h("p", { class: "lead" }, "A certificate is made of the first votes that come to more than two thirds of the stake, and is not waited with for the rest: of four equal validators that all run, each takes part in about three of four. One that is away falls far below the others."),
    panel(null, list.element),
    h("div", { class: "heading" }, h("h2", { class: "section" }, "Committees"), steps.element), panel(null, seats.element));
  let shown = null;
  const update = async () => {
    const now = int(network.status.beacon.epoch);
    const epoch = epochText === undefined ? now : Number(epochText);
    const validators = await rpc.beacon("beacon_getValidators");
    list.set(JSON.stringify(validators), () => table(["Validator", "Stake", "Takes part", "Account", "Public key"], validators.map((one) => [
      h("span", null, h("b", { class: "num" }, int(one.index)), " ", one.slashedAt && link(`/beacon/block/${int(one.slashedAt)}`, null, pill("bad", `slashed by block ${count(int(one.slashedAt))}`)), " ", !one.active && pill("wait", "not in this epoch")), amount(one.stake, 2), part(one), addressLink(one.feeAddress),
      h("span", { class: "mono", title: one.publicKey }, short(one.publicKey, 14, 8))]), "There are no validators."));
    if (shown === `${epoch} ${now}`) return;
    shown = `${epoch} ${now}`;
    steps.set(shown, () => [epoch > 0 && link(`/validators/${epoch - 1}`, { class: "button plain" }, "← Earlier"), h("span", { class: "epoch" }, `Epoch ${count(epoch)}`, epoch === now && " (now)"),
      epoch <= now && link(`/validators/${epoch + 1}`, { class: "button plain" }, "Later →")].filter(Boolean));
    const told = await rpc.beacon("beacon_getCommittees", `0x${epoch.toString(16)}`).catch((error) => ({ refused: error }));
    seats.set(JSON.stringify(told), () => (told.refused ? h("p", { class: "empty" }, `Not to be had: ${visible(told.refused.message)}.`)
      : tight(["Chain", "Members", "*Stake", "*Together since"], told.committees.map((one) => [chainName(int(one.chain) === network.shardCount ? "beacon" : int(one.chain)),
        h("span", { class: "members num" }, one.members.map((member) => int(member.validator)).join(", ")),
        amount(one.members.reduce((sum, member) => sum + BigInt(member.stake), 0n), 2), h("span", { class: "num" }, `epoch ${count(int(one.instanceEpoch))}`)]), "")));
  };
  return { title: "Validators", element, update };
}

/** How many of the certificates it could sign carry its vote, in the epoch so far. */
function part(one) {
  const [seen, due] = [int(one.votesSeen), int(one.votesDue)];
  if (!due) return h("span", { class: "quiet" }, "nothing due yet");
  return h("span", { class: "gas", title: `${seen} of ${due} certificates of this epoch carry its vote` }, h("span", { class: "num" }, `${Math.round((100 * seen) / due)} %`), meter(seen, due));
}
