// An account's newest transactions on a shard: nodes keep no list of them, so the newest blocks are looked through, within bounds.

import { int } from "./format.js";

const BLOCKS_READ_MAX = 200;
/** Of a shard that the node has to ask its peers about. */
const BLOCKS_FORWARDED_MAX = 25;
const BLOCKS_AT_ONCE = 25;
const TRANSACTIONS_READ_MAX = 2000;
export const ROWS_MAX = 25;

export class History {
  constructor(rpc, network, shard, address) {
    Object.assign(this, { rpc, network, shard, address });
    /** Newest first: a block's time and the transaction. */
    this.rows = [];
    this.blocksRead = 0;
    this.isFollowing = false;
    this.newest = network.head(shard);
  }

  /** Looks back from the head until enough is found or read. */
  async read() {
    const most = Math.min(this.newest + 1, this.network.shard(this.shard).latest ? BLOCKS_READ_MAX : BLOCKS_FORWARDED_MAX);
    let transactions = 0;
    while (this.blocksRead < most && this.rows.length < ROWS_MAX && transactions < TRANSACTIONS_READ_MAX) {
      const size = Math.min(BLOCKS_AT_ONCE, most - this.blocksRead);
      const blocks = await Promise.all(Array.from({ length: size }, (_, i) => this.ask(this.newest - this.blocksRead - i, false)));
      for (const block of blocks) {
        if (!block || this.rows.length >= ROWS_MAX || transactions >= TRANSACTIONS_READ_MAX) return;
        transactions += block.transactions.length;
        this.rows.push(...(await this.rowsOf(block)));
        this.blocksRead += 1;
      }
    }
  }

  /** Takes in what has come since, of the blocks that the page knows anyway. */
  async follow() {
    if (this.isFollowing) return;
    this.isFollowing = true;
    try {
      const fresh = this.network.blocks[this.shard].filter((block) => int(block.number) > this.newest).reverse();
      for (const block of fresh) {
        this.rows.unshift(...(await this.rowsOf(block)));
        this.newest = int(block.number);
        this.blocksRead += 1;
      }
      this.rows.length = Math.min(this.rows.length, ROWS_MAX);
    } finally {
      this.isFollowing = false;
    }
  }

  async rowsOf({ number, transactions }) {
    if (!transactions.length) return [];
    const block = await this.ask(int(number), true);
    return (block?.transactions ?? []).filter((one) => one.from === this.address || one.to === this.address).reverse()
      .map((one) => ({ shard: this.shard, time: int(block.timestamp), one }));
  }

  ask(number, isFull) {
    return this.rpc.shard(this.shard, "eth_getBlockByNumber", `0x${number.toString(16)}`, isFull);
  }
}
