// The live state of the network: heads, supply and the newest blocks of every chain, asked again each second while the page is seen.

import { OUTBOX, SENT_TOPIC, sentOf } from "./decode.js";
import { int } from "./format.js";
import { CallRefused } from "./rpc.js";

const POLL_MS = 1000;
const PAUSE_MS_MIN = 250;
const RETRY_MS_MAX = 5000;
const BLOCKS_KEPT = 64;
const RATE_SECONDS = 30;
const CHANNELS_MAX = 12;
/** Past every message: only the counts of a channel are wanted. */
const NONCE_MAX = "0xffffffffffffffff";
const MESSAGE_BLOCKS = 500, MESSAGES_KEPT = 100;

const headOf = (entry) => int((entry.latest ?? entry.finalized).number);

export class Network {
  constructor(rpc, config) {
    this.rpc = rpc;
    this.config = config;
    this.shardCount = config.shards.length;
    this.status = null;
    this.supply = null;
    this.blocks = config.shards.map(() => []);
    this.beaconBlocks = [];
    this.messages = [];
    this.pending = 0;
    this.closed = 0; // channels that are full
    this.polls = 0;
    this.asked = 0;
    this.failures = 0;
    this.lastGrowth = Date.now();
    this.heights = "";
    this.listeners = new Set();
  }

  /** Runs `listener` after each poll; returns how to stop that. */
  watch(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async start() {
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    for (;;) {
      if (!document.hidden) await this.poll();
      this.asked = Date.now();
      const pause = this.failures ? Math.min(POLL_MS * 2 ** (this.failures - 1), RETRY_MS_MAX) : POLL_MS;
      await new Promise((wake) => {
        this.wake = wake;
        setTimeout(wake, pause);
      });
    }
  }

  /** Asks soon: something is known to have changed. */
  hurry() {
    setTimeout(() => this.wake?.(), Math.max(0, this.asked + PAUSE_MS_MIN - Date.now()));
  }

  async poll() {
    this.polls += 1;
    try {
      const [status, supply] = await Promise.all([this.rpc.beacon("shard_getNetwork"), this.rpc.beacon("shard_getSupply")]);
      const channels = this.channels(supply).map(([source, destination]) => this.rpc.beacon("shard_getPendingReceipts", source, destination, NONCE_MAX).catch(() => null));
      await Promise.all([...status.shards.map((entry) => this.fetchBlocks(entry)), this.fetchBeacon(int(status.beacon.head.number))]);
      const views = await Promise.all(channels);
      this.closed = views.filter((channel) => channel?.closed).length;
      this.pending = views.reduce((sum, channel) => sum + (channel ? int(channel.sent) - int(channel.delivered) : 0), 0);
      this.status = status;
      this.supply = supply;
      this.failures = 0;
      this.error = null;
      const heights = JSON.stringify([status.beacon.head, status.shards.map((entry) => entry.latest)]);
      // a page opened on a network that stands still goes by the time of its newest block; after that clocks need not agree
      if (heights !== this.heights) this.lastGrowth = this.heights ? Date.now() : this.newestTime();
      this.heights = heights;
    } catch (error) {
      this.failures += 1;
      this.error = error;
    }
    for (const listener of [...this.listeners]) listener();
  }

  /** The channels that are asked how many messages they hold: all of a small network, those with value under way of a large one. */
  channels(supply) {
    const shards = this.config.shards.map((entry) => `0x${entry.shard.toString(16)}`);
    const all = shards.flatMap((source) => shards.filter((destination) => destination !== source).map((destination) => [source, destination]));
    if (all.length <= CHANNELS_MAX) return all;
    const held = supply.inFlight.map((flow) => [flow.source, flow.destination]);
    return held.filter((pair) => pair.every((chain) => int(chain) < this.shardCount)).slice(0, CHANNELS_MAX);
  }

  /** A shard's new blocks and messages; of one that the node cannot ask now, what is known stays. */
  async fetchBlocks(entry) {
    try {
      await this.fetchNew(entry);
    } catch (error) {
      if (!(error instanceof CallRefused)) throw error;
    }
  }

  async fetchNew(entry) {
    const shard = int(entry.shard), head = headOf(entry);
    const seen = this.blocks[shard].length ? int(this.blocks[shard][0].number) : Math.max(-1, head - MESSAGE_BLOCKS);
    if (head > seen) await this.fetchMessages(shard, seen + 1, head);
    this.blocks[shard] = await this.extend(this.blocks[shard], head, (number) =>
      this.rpc.shard(shard, "eth_getBlockByNumber", `0x${number.toString(16)}`, false));
  }

  async fetchMessages(shard, first, last) {
    const range = { address: OUTBOX, topics: [SENT_TOPIC], fromBlock: `0x${first.toString(16)}`, toBlock: `0x${last.toString(16)}` };
    const logs = await this.rpc.shard(shard, "eth_getLogs", range);
    const found = logs.map((log) => ({ ...sentOf(log), source: shard, poll: this.polls }));
    this.messages = [...found, ...this.messages].sort((a, b) => b.poll - a.poll || b.block - a.block).slice(0, MESSAGES_KEPT);
  }

  async fetchBeacon(head) {
    this.beaconBlocks = await this.extend(this.beaconBlocks, head, (number) => this.rpc.beacon("beacon_getBlock", `0x${number.toString(16)}`));
  }

  /** The newest blocks, newest first, with those that are missing up to `head`. */
  async extend(known, head, ask) {
    const top = known.length ? int(known[0].number) : -1;
    if (head < top) known = [];
    const first = Math.max(0, head - BLOCKS_KEPT + 1, head < top ? 0 : top + 1);
    const wanted = [];
    for (let number = head; number >= first; number--) wanted.push(ask(number));
    const found = (await Promise.all(wanted)).filter(Boolean);
    return [...found, ...known].slice(0, BLOCKS_KEPT);
  }

  /** When the newest block of any chain was made, at most now; in ms. */
  newestTime() {
    const times = [this.beaconBlocks, ...this.blocks].filter((blocks) => blocks.length).map((blocks) => int(blocks[0].timestamp) * 1000);
    return times.length ? Math.min(Date.now(), Math.max(...times)) : Date.now();
  }

  /** Transactions a second over the newest blocks of a shard, or of all. */
  rate(shard = null) {
    const blocks = shard === null ? this.blocks.flat() : this.blocks[shard];
    const now = Date.now() / 1000;
    const recent = blocks.filter((block) => now - int(block.timestamp) <= RATE_SECONDS);
    return recent.reduce((sum, block) => sum + block.transactions.length, 0) / RATE_SECONDS;
  }

  /** The entry of shard_getNetwork for a shard, once known. */
  shard(shard) {
    return this.status?.shards[shard] ?? null;
  }

  /** Height of a shard's newest block; of one that the node does not host, as the beacon chain has it. */
  head(shard) {
    return headOf(this.status.shards[shard]);
  }

  /** How final a block of a shard is: `finalized` (crosslinked in a final beacon block) or `safe` (final by the shard's committee). */
  finality(shard, number) {
    const finalized = this.shard(shard)?.finalized;
    return finalized && number <= int(finalized.number) ? "finalized" : "safe";
  }
}
