"""What the page's addresses answer: the files of `static`, as they are, and `/config.json`, which tells the page where JSON-RPC is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from node.rpc.hosts import HostGuard
from primitives.genesis import Genesis
from primitives.hashing import sha256

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}  # fmt: skip
_HOST_NAME = re.compile(r"[a-z0-9.-]+", re.ASCII)
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `headers` come besides the type and the length. The body of a 304 is told of and not sent."""

    status: int
    content_type: str
    body: bytes
    headers: Headers = ()


REFUSED = Answer(
    403, "text/plain; charset=utf-8", b"invalid host: this node answers to its addresses and to the host names it is configured with\n"
)


@dataclass(frozen=True, slots=True)
class _Page:
    content_type: str
    body: bytes
    etag: str


class Site:
    """Every address of the page, held in memory: what is not in it does not exist, whatever a path says."""

    def __init__(self, genesis: Genesis, rpc_ports: Mapping[int, int], version: str, allowed_hosts: Iterable[str]) -> None:
        """Reads the files.

        Args:
            genesis: of the network.
            rpc_ports: the JSON-RPC port of each shard that has one here; every path answers on each of them.
            version: of the node, as web3_clientVersion tells it.
            allowed_hosts: names that a request's `Host` may carry besides `localhost` and addresses.
        """
        self.hosts = HostGuard(allowed_hosts)
        self._rpc_port = rpc_ports[min(rpc_ports)]
        self._pages = {"/config.json": _page("application/json", _config(genesis, rpc_ports, self._rpc_port, version))}
        for path in sorted(FOLDER.rglob("*")):
            if path.suffix in _TYPES:
                self._pages["/" + path.relative_to(FOLDER).as_posix()] = _page(_TYPES[path.suffix], path.read_bytes())
        self._pages["/"] = self._pages.pop("/index.html")

    def answer(self, path: str, host: str, if_none_match: str) -> Answer | None:
        """The answer to a GET; None when there is no such address.

        Args:
            path: of the request, without query.
            host: its `Host` header; a page that rebinds its own name to this machine sends that name, and is refused.
            if_none_match: its header of that name, or nothing.
        """
        page = self._pages.get(path)
        if page is None:
            return None
        if not self.hosts.accepts(host.encode("latin-1", "replace")):
            return REFUSED
        # Asked again each time, answered by a few bytes: a node that was brought up to date is never shown through an old page.
        headers = (("etag", page.etag), ("cache-control", "no-cache"), *self._guards(host))
        if page.etag in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]:
            return Answer(304, page.content_type, page.body, headers)
        return Answer(200, page.content_type, page.body, headers)

    def _guards(self, host: str) -> Headers:
        name = host.lower().rpartition(":")[0] if re.search(r":[0-9]*\Z", host) else host.lower()
        # The source lists of CSP have no form for an IPv6 address.
        rpc = f"{name if _HOST_NAME.fullmatch(name) else '*'}:{self._rpc_port}"
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self' http://{rpc} ws://{rpc}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return (
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        )


def _page(content_type: str, body: bytes) -> _Page:
    return _Page(content_type, body, f'"{sha256(body).hex()[:32]}"')


def _config(genesis: Genesis, rpc_ports: Mapping[int, int], rpc_port: int, version: str) -> bytes:
    parameters = genesis.parameters
    shards = [
        {"shard": shard, "chainId": parameters.chain_id(shard), "port": rpc_ports.get(shard, rpc_port), "path": f"/shard/{shard}"}
        for shard in range(parameters.shard_count)
    ]
    return json.dumps({
        "version": version, "devnet": parameters.devnet, "genesisRoot": "0x" + genesis.root.hex(), "rpcPort": rpc_port,
        "blockTimeMs": parameters.block_time_ms, "idleBlockTimeMs": parameters.idle_block_time_ms,
        "epochLength": parameters.epoch_length, "shards": shards,
    }).encode()  # fmt: skip
