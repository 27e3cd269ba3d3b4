// JSON-RPC to the node that served this page; calls made in the same turn and for the same address travel together.

const CALLS_PER_BATCH_MAX = 200;
const SECONDS_MAX = 10;

/** The node answered with an error. */
export class CallRefused extends Error {
  constructor(method, error) {
    super(String(error.message ?? "no reason given"));
    this.method = method;
    this.code = error.code;
    this.data = error.data;
  }
}

/** The node did not answer. */
export class Unreachable extends Error {}

export class Rpc {
  constructor(port) {
    this.base = `http://${location.hostname}:${port}`;
    this.waiting = new Map();
  }

  /** The result of a call to a shard's address. */
  shard(shard, method, ...params) {
    return this.call(`/shard/${shard}`, method, params);
  }

  /** The result of a call to the beacon chain's address. */
  beacon(method, ...params) {
    return this.call("/beacon", method, params);
  }

  call(path, method, params) {
    return new Promise((resolve, reject) => {
      const queue = this.waiting.get(path);
      const entry = { method, params, resolve, reject };
      if (queue) return queue.push(entry);
      this.waiting.set(path, [entry]);
      queueMicrotask(() => this.flush(path));
    });
  }

  flush(path) {
    const queue = this.waiting.get(path);
    this.waiting.delete(path);
    for (let at = 0; at < queue.length; at += CALLS_PER_BATCH_MAX) this.send(path, queue.slice(at, at + CALLS_PER_BATCH_MAX));
  }

  async send(path, entries) {
    const body = entries.map(({ method, params }, id) => ({ jsonrpc: "2.0", id, method, params }));
    try {
      const response = await fetch(this.base + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(SECONDS_MAX * 1000),
      });
      const answers = await response.json();
      if (!Array.isArray(answers)) throw new CallRefused(entries[0].method, answers.error ?? {});
      const byId = new Map(answers.map((answer) => [answer.id, answer]));
      entries.forEach(({ method, resolve, reject }, id) => {
        const answer = byId.get(id);
        if (!answer) reject(new Unreachable("no answer"));
        else if (answer.error) reject(new CallRefused(method, answer.error));
        else resolve(answer.result);
      });
    } catch (error) {
      const told = error instanceof CallRefused ? error : new Unreachable(`${this.base} does not answer`);
      for (const { reject } of entries) reject(told);
    }
  }
}
