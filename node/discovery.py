"""Finding more peers than the configuration names: each connected one is asked whom it knows, and told where this node listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from node.addresses import AddressBook, announced_port
from node.core.effects import Persist
from node.core.records import LEARNED_PEERS_KEY
from node.store import NodeStore
from p2p.adapter.host import Network
from p2p.messages import KnownPeers, Peers, decode_response, encode_request
from p2p.network import PeerId, RequestFailed
from primitives.errors import InvalidEncoding, Reason

PEERS_SOUGHT = 8
"""Connections below which peers are asked again and again."""
ROUND_SECONDS = 1.0
"""Between two looks at who is connected."""
ASK_AGAIN_SECONDS = 10.0
"""After which the same peer is asked once more, while too few are connected."""
ASKED_PER_ROUND_MAX = 4
REQUEST_TIMEOUT_SECONDS = 6.0


class Discovery:
    """Asks, believes within bounds, and remembers for the next start."""

    def __init__(
        self,
        network: Network,
        book: AddressBook,
        store: NodeStore,
        observe: Callable[[str, Mapping[str, str], float], None],
        penalize: Callable[[str, Reason], None],
    ) -> None:
        self._network, self._book, self._store, self._observe, self._penalize = network, book, store, observe, penalize
        self._asked: dict[PeerId, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        stored = self._store.read(LEARNED_PEERS_KEY)
        if stored is not None:
            self._book.restore(stored, trio.current_time())
        while True:
            now = trio.current_time()
            self._book.tend(now)
            async with trio.open_nursery() as nursery:
                for peer in self._choose(now):
                    nursery.start_soon(self._ask, peer)
            await trio.sleep(ROUND_SECONDS)

    def _choose(self, now: float) -> list[PeerId]:
        peers = self._network.peers()
        self._asked = {peer: at for peer, at in self._asked.items() if peer in peers}
        few = len(peers) < PEERS_SOUGHT
        chosen = [p for p in peers if p not in self._asked or (few and now - self._asked[p] >= ASK_AGAIN_SECONDS)][:ASKED_PER_ROUND_MAX]
        self._asked |= dict.fromkeys(chosen, now)
        return chosen

    async def _ask(self, peer: PeerId) -> None:
        port = announced_port(self._network.host, self._network.port, self._network.address_of(peer))
        request = Peers(port)
        try:
            payload = await self._network.request(peer, encode_request(request), REQUEST_TIMEOUT_SECONDS)
            answer = decode_response(request, payload)
            if isinstance(answer, KnownPeers) and self._book.learn(peer, answer, trio.current_time()):
                await self._store.write([Persist(LEARNED_PEERS_KEY, self._book.encode(), durable=False)])
        except RequestFailed as error:
            self._observe("requests_failed", {"reason": error.reason.value}, 1)
        except InvalidEncoding as error:
            self._penalize(peer, error.reason)
