"""Answers to peers' requests, from the core's memory, the node's store and the executors (design page LIBP2P, Structure)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from node.addresses import AddressBook
from node.bundle_gate import BundleGate
from node.core.core import Core
from node.core.records import beacon_block_key, beacon_root_key, certificate_key
from node.executors.executor import Executor
from node.store import NodeStore
from p2p.messages import (
    BLOCKS_PER_RESPONSE_MAX,
    BLOCKS_RESPONSE_BYTES_MAX,
    Blocks,
    BlocksByRange,
    BlocksByRoot,
    BundleByNonce,
    Certificates,
    CertificatesByView,
    Finality,
    Peers,
    RpcCall,
    Status,
    decode_request,
)
from p2p.network import PeerId
from primitives.errors import Unavailable
from primitives.receipts import BUNDLE_RECEIPTS_MAX
from primitives.votes import Certificate

AnswerRpc = Callable[[str, int, bytes], Awaitable[bytes]]
"""Takes the asking peer, a chain and a JSON-RPC request; gives the encoded `RpcAnswer`, or nothing."""


class Server:
    """Answers requests; an empty answer means "not here"."""

    def __init__(
        self,
        core: Core,
        store: NodeStore,
        links: Mapping[int, Executor],
        book: AddressBook | None = None,
        answer_rpc: AnswerRpc | None = None,
        hear: Callable[[str, Certificate], None] = lambda peer, certificate: None,
        gate: BundleGate | None = None,
    ) -> None:
        """Without `book` it knows no addresses, without `answer_rpc` it takes no JSON-RPC of others; `hear` takes what a peer tells.

        `gate` is for faults on demand, on a network for development.
        """
        self._core = core
        self._store = store
        self._links = links
        self._book = book
        self._answer_rpc = answer_rpc
        self._hear = hear
        self._gate = gate

    async def answer(self, peer: str, payload: bytes) -> bytes:
        """The encoded response to a peer's request.

        Raises:
            InvalidEncoding: not a request.
        """
        try:
            return await self._answer(peer, payload)
        except Unavailable:
            return b""  # an executor that is busy or coming back: the peer asks somebody else

    async def _answer(self, peer: str, payload: bytes) -> bytes:
        match decode_request(payload):
            case Finality(certificate):
                self._hear(peer, certificate)
                return b""
            case Status(genesis_root, rows):
                self._core.hear_status(peer, genesis_root, rows)
                return self._core.status().encode()
            case BlocksByRange(chain, first, count):
                return await self._range(chain, first, min(count, BLOCKS_PER_RESPONSE_MAX))
            case BlocksByRoot(chain, roots):
                return await self._blocks(chain, roots)
            case CertificatesByView(instance, first, last):
                followed = self._core.chain(instance.chain)
                if followed is None or followed.instance != instance:
                    return b""
                held = list(followed.engine.certificates(first, last))
                newest = followed.engine.newest_finalization
                if newest is not None and newest not in held:
                    held.append(newest)
                return Certificates(tuple(held[-256:])).encode() if held else b""
            case BundleByNonce(source, destination, first, end):
                if not 0 < end - first <= BUNDLE_RECEIPTS_MAX or end > self._sent(source, destination):
                    return b""
                bundle = await self._links[source].outgoing(destination, first, end - first)
                if bundle is None or len(bundle.receipts) != end - first:
                    return b""
                told = bundle if self._gate is None else await self._gate.answer(bundle)
                return b"" if told is None else told.encode()
            case Peers(port):
                return self._peers(peer, port)
            case RpcCall(chain, body):
                return b"" if self._answer_rpc is None else await self._answer_rpc(peer, chain, body)

    def _peers(self, peer: str, port: int) -> bytes:
        if self._book is None:
            return b""
        self._book.announce(PeerId(peer), port)
        return self._book.known(PeerId(peer)).encode()

    async def _blocks(self, chain: int, roots: tuple[bytes, ...]) -> bytes:
        """Blocks by root, as many as fit the bytes of an answer."""
        found: list[bytes] = []
        size = 0
        for root in roots:
            data = await self._block(chain, root)
            if data is None:
                continue
            size += len(data)
            if found and size > BLOCKS_RESPONSE_BYTES_MAX:
                break
            found.append(data)
        return Blocks(tuple(found), ()).encode() if found else b""

    async def _range(self, chain: int, first: int, count: int) -> bytes:
        """Blocks from `first` up to the highest one whose own finalization is stored, within count and bytes."""
        followed = self._core.chain(chain)
        if followed is None or not 1 <= first <= followed.tree.head.info.height:
            return b""
        blocks: list[bytes] = []
        size = certified = 0
        finalization: Certificate | None = None
        for data in await self._final_blocks(chain, first, count):
            size += len(data)
            if blocks and size > BLOCKS_RESPONSE_BYTES_MAX:
                break
            blocks.append(data)
            stored = self._store.read(certificate_key(chain, first + len(blocks) - 1))
            if stored is None:
                continue
            found = Certificate.decode(stored)
            if finalization is not None and found.instance != finalization.instance:
                break  # whoever asks has yet to enter the next instance, and knows no committee of it
            if followed.decode(data).root == found.root:  # not one that a forced close left behind
                certified, finalization = len(blocks), found
        if finalization is None:
            return b""
        return Blocks(tuple(blocks[:certified]), (finalization,)).encode()

    def _sent(self, source: int, destination: int) -> int:
        """Receipts a hosted source has sent to a destination; a peer's numbers go no further than what there is."""
        chain = self._core.shards.get(source)
        if chain is None or destination > self._core.context.parameters.shard_count:
            return 0
        state = self._core.beacon.tree.head.outcome
        assert state is not None
        # what is not crosslinked may become void, and nobody may take it in yet
        return state.recorded_out(source, destination).count

    async def _final_blocks(self, chain: int, first: int, count: int) -> list[bytes]:
        if chain in self._links:
            return list(await self._links[chain].blocks(first, count))
        if chain != self._core.beacon.number:
            return []
        found = []
        for height in range(first, first + count):
            data = self._store.read(beacon_block_key(chain, height))
            if data is None:
                break
            found.append(data)
        return found

    async def _block(self, chain: int, root: bytes) -> bytes | None:
        followed = self._core.chain(chain)
        held = followed.tree.get(root) if followed is not None else None
        if held is not None and held.data:
            return held.data
        if chain in self._links:
            return await self._links[chain].body(root)
        height = self._store.read(beacon_root_key(chain, root))
        return None if height is None else self._store.read(beacon_block_key(chain, int.from_bytes(height, "big")))
