// The last minute of all chains: each block a mark on its chain's line, each crosslink a thread up to the beacon block that holds it.

import { s } from "./dom.js";
import { count, int } from "./format.js";
import { BEACON_HUE, hueOf } from "./parts.js";

const LANE = 58, TOP = 34, LEFT = 74, RIGHT = 12;
const SHARDS_MAX = 6;

/** The drawing; `width` in pixels. */
export function weave(network, width) {
  const span = width < 640 ? 24 : 60;
  const now = Math.max(Date.now() / 1000, ...[network.beaconBlocks, ...network.blocks].map((blocks) => (blocks.length ? int(blocks[0].timestamp) : 0)));
  const shards = network.blocks.slice(0, SHARDS_MAX);
  const height = TOP + shards.length * LANE + 42;
  const x = (time) => LEFT + (1 - (now + 0.5 - time) / span) * (width - LEFT - RIGHT);
  const grow = Math.min(9, Math.max(2, (width - LEFT - RIGHT) / span - 6));
  const beaconTimes = spread(network.beaconBlocks);
  const shardTimes = shards.map(spread);
  const within = (time) => x(time) > LEFT + 6;
  const parts = [axis(span, now, x, height), lane("Beacon", BEACON_HUE, TOP, width)];
  shards.forEach((blocks, shard) => parts.push(lane(`Shard ${shard}`, hueOf(shard), TOP + (shard + 1) * LANE, width)));
  for (const block of network.beaconBlocks) {
    const to = beaconTimes.get(int(block.number));
    for (const crosslink of block.crosslinks ?? []) {
      const shard = int(crosslink.shard);
      const from = shardTimes[shard]?.get(int(crosslink.number));
      if (from !== undefined && within(from) && within(to)) parts.push(thread(x(from), TOP + (shard + 1) * LANE, x(to), TOP, hueOf(shard)));
    }
  }
  const marks = (blocks, times, y, hue, base, isFinal) => blocks.filter((block) => within(times.get(int(block.number)))).map((block) =>
    mark(x(times.get(int(block.number))), y, hue, grow, `${base}/block/${int(block.number)}`, block, isFinal(int(block.number))));
  parts.push(marks(network.beaconBlocks, beaconTimes, TOP, BEACON_HUE, "#/beacon", () => true));
  shards.forEach((blocks, shard) => parts.push(marks(blocks, shardTimes[shard], TOP + (shard + 1) * LANE, hueOf(shard), `#/shard/${shard}`,
    (number) => network.finality(shard, number) === "finalized")));
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "weave", role: "img",
    "aria-label": "Blocks of the last minute on every chain, joined to the beacon blocks that record them" }, parts);
}

/** Where the blocks of a chain stand in time: several of one second share it. */
function spread(blocks) {
  const times = new Map();
  const perSecond = new Map();
  for (const block of blocks) perSecond.set(block.timestamp, [...(perSecond.get(block.timestamp) ?? []), int(block.number)]);
  for (const [timestamp, numbers] of perSecond) {
    numbers.sort((a, b) => a - b).forEach((number, i) => times.set(number, int(timestamp) + i / numbers.length));
  }
  return times;
}

function axis(span, now, x, height) {
  const every = span > 30 ? 10 : 6;
  const marks = [];
  for (let back = 0; back < span; back += every) {
    const at = x(now - back);
    marks.push(s("path", { d: `M${at} ${TOP - 14}V${height - 22}`, class: "weave-tick" }),
      s("text", { x: at, y: height - 6, "text-anchor": back ? "middle" : "end", class: "weave-time" }, back ? `−${back} s` : "now"));
  }
  return marks;
}

const lane = (name, hue, y, width) => s("g", { vars: { hue } }, s("path", { d: `M${LEFT} ${y}H${width - RIGHT}`, class: "weave-lane" }),
  s("text", { x: 0, y: y + 4, class: "weave-name" }, name));

const thread = (ax, ay, bx, by, hue) => s("path", { d: `M${ax} ${ay}C${ax} ${(ay + by) / 2} ${bx} ${(ay + by) / 2} ${bx} ${by}`, class: "weave-thread", vars: { hue } });

function mark(x, y, hue, grow, href, block, isFinal) {
  const size = 5 + Math.min(grow, Math.sqrt(block.transactions?.length ?? 0) * 2);
  return s("a", { href, "aria-label": `Block ${int(block.number)}`, tabindex: "-1" },
    s("rect", { x: x - size / 2 - 1, y: y - size / 2 - 1, width: size + 2, height: size + 2, rx: size / 2 + 1, class: isFinal ? "weave-block final" : "weave-block", vars: { hue } },
      s("title", null, `Block ${count(int(block.number))}${block.transactions ? `, ${block.transactions.length} transactions` : ""}`)));
}
