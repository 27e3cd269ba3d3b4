// New blocks as the node tells of them over WebSocket: each is a reason to ask at once. Without it the page asks each second anyway.

const SHARDS_MAX = 8;
const RETRY_MS = 5000;

/** Calls `hurry` at each new block of the first shards; `isWell` tells whether the node answers at all. */
export function watchHeads(rpc, shards, isWell, hurry) {
  for (const shard of shards.slice(0, SHARDS_MAX)) listen(`${rpc.base.replace("http", "ws")}/shard/${shard}`, isWell, hurry);
}

function listen(address, isWell, hurry) {
  const again = () => setTimeout(() => (isWell() && !document.hidden ? listen(address, isWell, hurry) : again()), RETRY_MS);
  const socket = new WebSocket(address);
  let isRefused = false;
  socket.onopen = () => socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newHeads"] }));
  socket.onmessage = ({ data }) => {
    const told = JSON.parse(data);
    if (told.method === "eth_subscription") return hurry();
    isRefused = Boolean(told.error);
    if (isRefused) socket.close();
  };
  socket.onclose = () => isRefused || again();
}
