// What a search found: one thing is shown at once, several are listed.

import { addressFault } from "../lib/checksum.js";
import { h, link } from "../lib/dom.js";
import { visible } from "../lib/format.js";
import { heading, panel } from "../lib/parts.js";
import { find } from "../lib/search.js";

const FORMS = "Look for a block's number or hash, a transaction's hash, a message's id, or an address.";

export async function searchView(app, encoded) {
  let text = encoded;
  try {
    text = decodeURIComponent(encoded);
  } catch {
    // Shown as it stands.
  }
  const asked = location.hash;
  const found = await find(app, text);
  // whoever has gone elsewhere meanwhile is not led away from there
  if (found?.length === 1 && location.hash === asked) location.replace(`#${found[0].route}`);
  const unknown = /^0x[0-9a-f]{40}$/i.test(text) ? addressFault(text) : `That is none of the things this page can look for. ${FORMS}`;
  const body = found?.length
    ? h("ul", { class: "lines" }, found.map((one) => h("li", null, link(one.route, null, one.name))))
    : h("p", { class: "empty" }, found ? "Nothing on this network answers to that. What was sent just now may take a second." : unknown);
  return { title: "Search", element: h("div", { class: "view" }, heading("Search", h("span", { class: "mono searched" }, visible(text))), panel(null, body)) };
}
