// A cross-shard message's life as a line over the chains it touches: from its source over the beacon chain to its destination,
// and back again when a call failed and its value was refunded.

import { h, s } from "./dom.js";
import { count, int, timeOfDay } from "./format.js";
import { BEACON_HUE, blockLink, hueOf, timeAgo, transactionLink } from "./parts.js";

const STEP_PIXELS_MIN = 112;
const MARGINS = 188;
const CALLBACK_FAILED = { name: "Callback failed", sentence: "What came back is credited all the same." };

/** A step at its block's own time, which the blocks' proposers agreed on in whole seconds, and which no clock here measured. */
function step(name, chain, event, what, sentence) {
  return { name, chain, what, sentence, done: Boolean(event), bad: false, number: event?.block ? int(event.block.number) : null,
    time: event?.timestamp ? int(event.timestamp) : null, exact: false, hash: event?.transactionHash ?? null };
}

/** The same at a moment that the node saw by its own clock, where it did. */
function seen(one, moment) {
  return { ...one, time: moment ? int(moment.timestampMs) / 1000 : null, exact: Boolean(moment), hash: null };
}

/** The steps of one message; those of what a call sent home follow its own. */
export function stepsOf(life) {
  const [source, destination] = [int(life.source), int(life.destination)];
  const steps = passage(life, source, destination, int(life.kind) === 0 ? "Credited" : int(life.kind) === 4 ? "Callback" : "Called");
  const arrived = steps.findIndex((one) => one.isArrival);
  const hasFailed = life.delivery && life.delivery.status !== "0x1";
  const isResult = int(life.kind) === 4;
  if (hasFailed) Object.assign(steps[arrived], { bad: true, ...(isResult ? CALLBACK_FAILED : { name: "Call failed", sentence: "It reverted on the destination; its value and unused fee go back." }) });
  if (life.returned) {
    const [word, sentence] = hasFailed ? ["Refund", "What was not used is back."] : ["Rest", "The fee that was left is back."];
    const home = passage(life.returned, int(life.returned.source), int(life.returned.destination), hasFailed ? "Refunded" : "Rest returned");
    const [crosslinked, credited] = [home.find((one) => one.isCrosslink), home.find((one) => one.isArrival)];
    const told = { name: "Callback", sentence: "The sender was told, and what came back is credited." };
    const callback = int(life.kind) !== 3 ? {} : life.callback?.outcome === "failed" ? { bad: true, ...CALLBACK_FAILED } : told;
    steps.push({ ...crosslinked, name: `${word} crosslinked`, sentence: "The beacon chain recorded the block that sent it home." }, { ...credited, sentence, ...callback });
  }
  return steps;
}

function passage(life, source, destination, arrival) {
  const final = life.delivery?.finalized ? life.delivery : null;
  const received = life.bundle ? { block: null } : life.delivery ? { block: null } : null;
  return [
    ...(life.queued ? [seen(step("Queued", source, { block: null }, "in its pool", "The node's pool took the transaction."), life.queued)] : []),
    step("Sent", source, life.sent, "block", "In a block of its source."),
    seen(step("Final", source, life.sent, "block", "By the committee of its source: the block cannot be taken back."), life.sent.final),
    { ...step("Crosslinked", "beacon", life.crosslink, "block", "The beacon chain recorded the source's block."), isCrosslink: true },
    seen(step("Beacon final", "beacon", life.crosslink, "block", "The beacon block is final, so the destination may take it in."), life.crosslink?.final),
    seen(step("Received", destination, received, "by the node", "Its body came from its source, and what the beacon chain recorded proves it."), life.bundle),
    { ...step(arrival, destination, life.delivery, "block", "Carried out on its destination, exactly once."), isArrival: true },
    { ...step("Delivery final", destination, final, "block", "The destination's block is in a final beacon block too."), time: null, hash: null },
  ];
}

/** The drawing and, below it, the same steps as a list. */
export function lifeline(life, width) {
  const steps = stepsOf(life);
  const lanes = ["beacon", ...new Set(steps.map((one) => one.chain).filter((chain) => chain !== "beacon"))];
  const next = steps.findIndex((one) => !one.done);
  const place = (width - MARGINS) / (steps.length - 1) >= STEP_PIXELS_MIN ? wide(steps, lanes, width) : narrow(steps, lanes, width);
  return h("div", { class: "life" }, draw(steps, lanes, next, place), list(steps, next));
}

const nameOfChain = (chain) => (chain === "beacon" ? "Beacon" : `Shard ${chain}`);
const hueOfChain = (chain) => (chain === "beacon" ? BEACON_HUE : hueOf(chain));

function wide(steps, lanes, width) {
  const left = 88, gap = 84, top = 64;
  const x = (i) => left + 44 + (i * (width - MARGINS)) / (steps.length - 1);
  const y = (lane) => top + lane * gap;
  return {
    width, height: top + (lanes.length - 1) * gap + 62,
    point: (i) => [x(i), y(lanes.indexOf(steps[i].chain))],
    lane: (lane) => ({ line: `M${left} ${y(lane)}H${width - 8}`, x: 0, y: y(lane) + 4 }),
    curve: ([ax, ay], [bx, by]) => `M${ax} ${ay}C${(ax + bx) / 2} ${ay} ${(ax + bx) / 2} ${by} ${bx} ${by}`,
    label: (i) => {
      const lane = lanes.indexOf(steps[i].chain);
      return { x: x(i), y: lane === 0 ? y(0) - 34 : y(lane) + 28, anchor: "middle" };
    },
  };
}

function narrow(steps, lanes, width) {
  const top = 46, gap = 66;
  const x = (lane) => 26 + lane * 46;
  const y = (i) => top + 24 + i * gap;
  return {
    width, height: y(steps.length - 1) + 36,
    point: (i) => [x(lanes.indexOf(steps[i].chain)), y(i)],
    lane: (lane) => ({ line: `M${x(lane)} ${top - 14}V${y(steps.length - 1) + 24}`, x: x(lane), y: 16, anchor: "middle", isNarrow: true }),
    curve: ([ax, ay], [bx, by]) => `M${ax} ${ay}C${ax} ${(ay + by) / 2} ${bx} ${(ay + by) / 2} ${bx} ${by}`,
    label: (i) => ({ x: x(lanes.length - 1) + 28, y: y(i) - 2, anchor: "start" }),
  };
}

function draw(steps, lanes, next, place) {
  const told = steps.map((one) => `${one.name}: ${one.done ? `${one.what} ${one.number ?? ""}`.trim() : "not yet"}`).join(". ");
  const parts = lanes.map((chain, lane) => {
    const at = place.lane(lane);
    const name = at.isNarrow ? (chain === "beacon" ? "B" : `S${chain}`) : nameOfChain(chain);
    return s("g", { vars: { hue: hueOfChain(chain) } }, s("path", { d: at.line, class: "life-lane" }),
      s("text", { x: at.x, y: at.y, "text-anchor": at.anchor ?? "start", class: "life-chain" }, name));
  });
  for (let i = 1; i < steps.length; i++) {
    const state = steps[i].done ? (steps[i].bad ? "bad" : "done") : "todo";
    parts.push(s("path", { d: place.curve(place.point(i - 1), place.point(i)), class: `life-way ${state}`, vars: { hue: hueOfChain(steps[i].chain) } }));
  }
  const clock = comparable(steps);
  steps.forEach((one, i) => {
    const [x, y] = place.point(i);
    const label = place.label(i);
    const state = one.done ? (one.bad ? "bad" : "done") : i === next ? "next" : "todo";
    const below = one.done ? [one.number === null ? null : `#${count(one.number)}`, clock(one) ? timeOfDay(Math.floor(one.time)) : null].filter(Boolean).join("  ") : i === next ? "waiting" : "";
    parts.push(s("g", { class: `life-step ${state}`, vars: { hue: hueOfChain(one.chain) } }, s("circle", { cx: x, cy: y, r: 8 }),
      s("text", { x: label.x, y: label.y, "text-anchor": label.anchor, class: "life-name" }, one.name),
      s("text", { x: label.x, y: label.y + 16, "text-anchor": label.anchor, class: "life-when" }, below)));
  });
  return s("svg", { viewBox: `0 0 ${place.width} ${place.height}`, role: "img", "aria-label": told, class: "life-drawing" }, parts);
}

/** Which steps have times that may stand side by side: those by the node's clock, or the blocks' own where there are no others. */
function comparable(steps) {
  const isClocked = steps.some((one) => one.exact);
  return (one) => one.done && one.time !== null && one.exact === isClocked;
}

function list(steps, next) {
  const clock = comparable(steps), first = steps.findIndex(clock), began = first < 0 ? null : steps[first].time;
  return h("ol", { class: "life-list" }, steps.map((one, i) => h("li", { class: one.done ? (one.bad ? "bad" : "done") : i === next ? "next" : "todo", vars: { hue: hueOfChain(one.chain) } },
    h("strong", null, one.name),
    h("span", { class: "life-place" }, `${nameOfChain(one.chain)} `, one.done ? [`${one.what} `, one.number !== null && blockLink(one.chain, one.number)] : i === next ? "— waiting for it" : "— not yet"),
    one.done && one.time !== null && h("span", { class: "life-time" }, timeAgo(Math.floor(one.time)),
      h("small", null, !clock(one) ? " by its block" : i === first ? "" : ` +${(one.time - began).toFixed(one.exact ? 2 : 0)} s`)),
    h("span", { class: "life-says" }, one.sentence, one.hash && [" ", transactionLink(one.chain, one.hash)]))));
}
