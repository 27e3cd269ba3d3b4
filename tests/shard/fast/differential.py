"""The reference and the fast engine, run side by side over random programs: whatever they come to must be the same bytes.

python -m tests.shard.fast.differential --seconds 600 --seed 1
"""

import argparse
import itertools
import random
import time

from eth.vm.forks.prague.constants import DELEGATION_DESIGNATION_PREFIX

from primitives.callbacks import Outcome
from primitives.errors import InvalidTransaction
from primitives.receipts import CrossShardReceipt, ReceiptKind
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.engine.fast import FastEngine
from shard.engine.fast.programs import Programs
from shard.views import CallRequest, big
from tests.shard.engine.support import GWEI, Shard, address
from tests.shard.fast.random_programs import Writer

CONTRACTS = tuple(bytes([0xC1 + i]) * 20 for i in range(5))
DELEGATED = b"\xd1" * 20
PRECOMPILES = tuple(number.to_bytes(20, "big") for number in (1, 2, 3, 4, 5, 9))
PLACES = (*CONTRACTS, *CONTRACTS, DELEGATED, *PRECOMPILES, address(0), address(1), b"\xee" * 20, OUTBOX, b"\xc0" * 20)
GASES = (0, 25_000, 50_000, 300_000, 500_000, 1_000_000, 1_000_000)
RECEIPT_GASES = (40_000, 100_000, 300_000, 600_000)


class Pair:
    """Two chains that must not differ."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        codes = {place: Writer(chance, PLACES).write() for place in CONTRACTS}
        codes[DELEGATED] = DELEGATION_DESIGNATION_PREFIX + chance.choice((*CONTRACTS, PRECOMPILES[0]))
        self.codes = codes
        self.reference, self.fast = Shard(codes), Shard(codes, engine=FastEngine)
        hot, cost = chance.choice(((0, 0), (0, 0), (1, 0), (4, 0), (8, 8)))
        engine = self.fast.engine
        assert isinstance(engine, FastEngine)
        engine.programs, engine.call_programs = Programs(hot, cost), Programs(hot, cost)
        self.meter = chance.choice((None, lambda: None))
        self.translated = 0
        self.nonces = {source: itertools.count() for source in (1, 2)}
        self.awaited: list[bytes] = []
        self.statuses = [0, 0]

    def block(self) -> None:
        """A block of receipts and transactions, then a few calls."""
        blocks = [shard.begin() for shard in (self.reference, self.fast)]
        for _ in range(self.chance.randrange(3)):
            receipt = self.receipt()
            ours, theirs = (block.deliver(receipt) for block in blocks)
            assert ours == theirs, (receipt, ours, theirs)
        for _ in range(self.chance.randrange(1, 6)):
            self.transact(blocks)
        ours, theirs = (shard.finish(block) for shard, block in zip((self.reference, self.fast), blocks, strict=True))
        assert ours == theirs
        for _ in range(self.chance.randrange(2)):
            self.call()
        engine = self.fast.engine
        self.translated = engine.programs.translations + engine.call_programs.translations

    def receipt(self) -> CrossShardReceipt:
        """From another shard: a call of one of the contracts, or the result of a call of theirs."""
        chance, source = self.chance, self.chance.choice((1, 2))
        gas = chance.choice(RECEIPT_GASES)
        kind = chance.choice((ReceiptKind.CREDIT, ReceiptKind.CALL, ReceiptKind.CALL, ReceiptKind.CALL_WITH_CALLBACK, ReceiptKind.RESULT))
        data = chance.randbytes(chance.choice((0, 4, 40)))
        if kind == ReceiptKind.CALL_WITH_CALLBACK:
            data = (25_000).to_bytes(8, "big") + data
        if kind == ReceiptKind.RESULT:
            known = chance.choice(self.awaited) if self.awaited else b"\5" * 32
            data, source = Outcome(known, chance.random() < 0.5, data).encode(), 1
        return CrossShardReceipt(
            source, 0, next(self.nonces[source]), kind, address(3), chance.choice(PLACES), chance.choice((0, 5)), gas, 2 * gas * GWEI,
            address(3), data,
        )  # fmt: skip

    def transact(self, blocks: list) -> None:
        chance, sender = self.chance, self.chance.randrange(3)
        to, data, value = chance.choice(PLACES), chance.randbytes(chance.choice((0, 4, 32, 70))), chance.choice((0, 0, 1, 10**15))
        gas = chance.choice(GASES)
        gas = chance.randrange(21_000, 120_000) if not gas else gas
        kind = chance.random()
        if kind < 0.08:
            to, gas = None, 300_000
            init = Writer(chance, PLACES).write()
            data = init[:200]
        elif kind < 0.2:
            to, gas, value = OUTBOX, chance.choice((60_000, 100_000, 400_000)), chance.choice((0, 10**15, 10**16))
            data = chance.choice((
                OUTBOX_CONTRACT.encode_call("transfer", chance.choice((1, 2, 7)), address(1)),
                OUTBOX_CONTRACT.encode_call("send", 1, CONTRACTS[0], 1, 50_000, CONTRACTS[1], b"\1"),
                OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, CONTRACTS[0], 30_000, 60_000, CONTRACTS[1], b"\1" * 40),
            ))  # fmt: skip
        transaction = self.reference.transaction(sender, to, value, data, gas)
        if gas < max(transaction.intrinsic_gas, transaction.floor_gas):
            self.reference.nonces[sender] -= 1
            return
        results: list = []
        for block in blocks:
            try:
                results.append(block.apply(transaction, address(sender), self.meter))
            except InvalidTransaction as error:
                results.append(str(error))
        ours, theirs = results
        assert ours == theirs, (transaction, ours, theirs)
        if isinstance(ours, str):
            self.reference.nonces[sender] -= 1
            return
        self.statuses[ours.status] += 1
        if to == OUTBOX and ours.status and data[:4] == OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, to, 0, 0, to, b"")[:4]:
            self.awaited.append(ours.logs[0].topics[1])

    def call(self) -> None:
        chance = self.chance
        request = CallRequest(
            sender=address(0), to=chance.choice(PLACES), data=chance.randbytes(chance.choice((0, 36))),
            gas=chance.choice((chance.randrange(23_500, 200_000), 1_000_000)), value=big(0), gas_price=big(0),
        )  # fmt: skip
        ours, theirs = (shard.engine.call(shard.root, shard.context(), request, self.meter) for shard in (self.reference, self.fast))
        assert ours == theirs, (request, ours, theirs)


def run(seed: int) -> Pair:
    """One pair of chains over a few blocks."""
    pair = Pair(random.Random(seed))
    for _ in range(pair.chance.randrange(2, 6)):
        pair.block()
    return pair


def main() -> None:
    """Runs seed after seed; stops at the first that differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    end, translated, statuses, count = time.monotonic() + arguments.seconds, 0, [0, 0], 0
    for seed in itertools.count(arguments.seed):
        try:
            pair = run(seed)
        except BaseException:
            print(f"seed {seed}")
            raise
        count += 1
        translated += pair.translated
        statuses = [a + b for a, b in zip(statuses, pair.statuses, strict=True)]
        if time.monotonic() > end:
            break
    print(f"{count} chains, {statuses[1]} transactions that succeeded, {statuses[0]} that failed, {translated} translations: no difference")


if __name__ == "__main__":
    main()
