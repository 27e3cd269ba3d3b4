"""What the shard of `fake.py` answers to proofs, traces, simulations and searches."""

from collections.abc import Mapping
from types import MappingProxyType

from primitives.headers import EMPTY_TRIE_ROOT
from shard.simulations import SimulatedBlock
from shard.views import AccountProof, SearchPage, SlotProof, big

PROVEN = b"\xc2\x01\x02"


class Explored:
    """Answers what is set here: a page, blocks, hashes by nonce, and creations by contract."""

    page = SearchPage((), True)
    simulated: tuple[SimulatedBlock, ...] = ()
    by_nonce: Mapping[int, bytes] = MappingProxyType({})
    creations: Mapping[bytes, tuple[bytes, bytes]] = MappingProxyType({})

    async def proof(self, address, slots, selector) -> AccountProof | None:
        await self._ask(slots)
        proven = tuple(SlotProof(b"\x07", (b"\xc1\x01",)) for _ in slots)
        return None if self._find(selector) is None else AccountProof(3, big(9), bytes(32), EMPTY_TRIE_ROOT, (PROVEN,), proven)

    async def trace_call(self, request, selector, config) -> bytes | None:
        self.traced_request = request
        await self._ask(config)
        return None if self._find(selector) is None else b'{"traced":"call"}'

    async def trace_transaction(self, hash, config) -> bytes | None:
        await self._ask(config)
        return b'{"traced":"0x%b"}' % hash.hex().encode() if hash in self.receipts else None

    async def trace_block(self, selector, config) -> bytes | None:
        await self._ask(config)
        return None if self._find(selector) is None else b"[]"

    async def simulate(self, blocks, selector, validation, transfers) -> tuple[SimulatedBlock, ...]:
        await self._ask((blocks, selector, validation, transfers))
        return self.simulated

    async def search(self, address, height, count, *, before) -> SearchPage:
        await self._ask((address, height, count, before))
        return self.page

    async def sent_by(self, address, nonce) -> bytes | None:
        await self._ask(nonce)
        return self.by_nonce.get(nonce)

    async def creator(self, address) -> tuple[bytes, bytes] | None:
        await self._ask(address)
        return self.creations.get(address)
