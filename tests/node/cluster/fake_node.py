"""A process that answers like a node, for a supervisor that only looks at answers: `fake_node.py PORT SHARDS BEHAVIOUR`."""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, SHARDS, BEHAVIOUR = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
BLOCK = {"number": "0x1", "hash": "0x" + "11" * 32}
GENESIS = {"number": "0x0", "hash": "0x" + "00" * 32}
FINALIZED = GENESIS if BEHAVIOUR == "never-final" else BLOCK


def shard(number: int) -> dict[str, object]:
    pool = {"pending": "0x2", "queued": "0x0"}
    entry = {"shard": hex(number), "chainId": hex(735_700 + number), "baseFeePerGas": "0x7", "pool": pool}
    return entry | {"latest": BLOCK, "safe": BLOCK, "finalized": FINALIZED}


NETWORK = {
    "ready": True,
    "peers": "0x3",
    "shardCount": hex(SHARDS),
    "beacon": {"chainId": hex(735_700 + SHARDS)},
    "shards": [shard(number) for number in range(SHARDS)],
}
EXTRA = b"\x01" + (4).to_bytes(8, "little") + (9).to_bytes(8, "little") + bytes(12)
ANSWERS = {
    "shard_getNetwork": NETWORK,
    "beacon_getValidators": [
        {"index": "0x0", "stake": "0x2", "slashedAt": None}, {"index": "0x1", "stake": "0x1", "slashedAt": "0x7"},
    ],
    "beacon_getHead": BLOCK | {"epoch": "0x4", "view": "0x5"},
    "eth_getBlockByHash": {"extraData": "0x" + EXTRA.hex()},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        calls = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps([{"jsonrpc": "2.0", "id": call["id"], "result": ANSWERS[call["method"]]} for call in calls]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


if BEHAVIOUR == "breaks":
    print("first line\nerror: genesis field 'seed': must be 32 bytes", flush=True)
    sys.exit(2)
if BEHAVIOUR == "killed":
    signal.raise_signal(signal.SIGKILL)
print("started", flush=True)
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
