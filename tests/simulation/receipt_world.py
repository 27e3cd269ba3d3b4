"""Three shards on the real executor and EVM, and the real beacon transition, without consensus: blocks and crosslinks are made by hand."""

from collections import Counter
from dataclasses import replace

from consensus.beacon.building import build_crosslink
from consensus.beacon.crosslinks import apply_crosslink
from consensus.beacon.genesis import ShardGenesis, build_genesis_state
from consensus.beacon.reference import shard_reference
from consensus.beacon.supply import imbalance
from node.simulator.executors.reference import ReferenceDisk
from primitives.blocks import ShardBlock
from primitives.callbacks import Outcome
from primitives.errors import BlockReason, InvalidBlock
from primitives.genesis import Genesis, GenesisAccount, GenesisValidator
from primitives.headers import ShardHeader
from primitives.parameters import Parameters
from primitives.receipts import BUNDLE_RECEIPTS_MAX, EMPTY_CHANNEL, ChannelTotals, ReceiptKind, Summary
from shard import callbacks
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.executor.context import BuildContext
from tests.consensus.beacon.network import GENESIS_TIME, STAKE, HashScheme, Network, key_of
from tests.shard.engine.callers import BURNING, ENDLESS, LEAVING, RECORDING, REVERTING, caller
from tests.shard.executor.support import RICH, ROOM_MS, address, transfer

SHARDS, USERS = 3, 4
BACKLOG_MAX = 5
SETTLE_ROUNDS = 60
RECORDER, REVERTER, SPINNER, BURNER, LEAVER = CALLERS = [bytes([0xB0 + i]) * 20 for i in range(5)]
ANSWERING, REFUSING, PAYING, SILENT, LENGTHY = (bytes([0xA0 + i]) * 20 for i in range(5))
PLAIN = b"\x77" * 20
DESTINATIONS = [PLAIN, ANSWERING, REFUSING, PAYING, SILENT, LENGTHY, *CALLERS]
CODES = {
    **dict(zip(CALLERS, map(caller, (RECORDING, REVERTING, ENDLESS, BURNING, LEAVING)), strict=True)),
    ANSWERING: bytes.fromhex("335f525f3560205260405ff3"),
    REFUSING: bytes.fromhex("602a5f5260205ffd"),
    PAYING: bytes.fromhex("5f5f5f5f3460029004335af100"),  # half of the value back to who calls
    SILENT: b"\xfe",
    LENGTHY: bytes.fromhex("6110005ff3"),
}
PARAMETERS = Parameters(
    shard_count=SHARDS, epoch_length=100_000, channel_backlog_max=BACKLOG_MAX, inbound_call_gas_max=1_000_000, receipt_gas_max=600_000,
)  # fmt: skip
COINBASE = b"\xc0" * 20


class ReceiptWorld(Network):
    """Shards, beacon chain, and what was sent and delivered as their blocks tell it; every block is held to the invariants."""

    def __init__(self):
        accounts = [GenesisAccount(address=address(i), balance=RICH) for i in range(USERS)]
        accounts += [GenesisAccount(address=a, nonce=1, code=code) for a, code in CODES.items()]
        self.genesis = Genesis(
            parameters=PARAMETERS, timestamp=GENESIS_TIME, seed=b"\7" * 32, accounts=accounts,
            validators=tuple(
                GenesisValidator(public_key=key_of(i), proof_of_possession=b"\0" * 96, stake=STAKE, fee_address=COINBASE) for i in range(4)
            ),
        )  # fmt: skip
        self.parameters, self.scheme, self.base = PARAMETERS, HashScheme(), PARAMETERS.chain_id_base
        self.disks = [ReferenceDisk(self.genesis, s) for s in range(SHARDS)]
        self.executors = [disk.open() for disk in self.disks]
        heads = [executor.head() for executor in self.executors]
        self.supplies = [int.from_bytes(head.genesis_supply, "big") for head in heads]
        headers = [ShardGenesis(head.genesis_header, supply) for head, supply in zip(heads, self.supplies, strict=True)]
        self.block, self.state = build_genesis_state(self.genesis, headers)
        self.states = [(self.state, self.root)]
        self.referenced = [[0] for _ in range(SHARDS)]
        """By shard and height: which beacon block the shard's block names."""
        channels = [(s, d) for s in range(SHARDS) for d in range(SHARDS) if s != d]
        self.sent = {channel: [] for channel in channels}
        self.delivered = {channel: [] for channel in channels}
        """Receipts by channel, of the blocks that are not void."""
        self.seen = Counter()

    # -- what may happen

    def transaction(self, shard, user, nonce, method, *arguments, to=OUTBOX, value=0):
        """Signed bytes and sender of a call of Outbox, or of a contract that hands it on to Outbox."""
        before = self.executors[shard].account(address(user))[0]
        data = OUTBOX_CONTRACT.encode_call(method, *arguments)
        return transfer(self.genesis, user, before + nonce, to, value, 700_000, data, shard=shard)

    def extend_shard(self, shard, transactions=(), lag=0, crash=None):
        """One more block of a shard.

        Args:
            shard: its number.
            transactions: signed bytes and senders.
            lag: beacon blocks that the referenced one lies behind the newest, where the parent's reference lets it.
            crash: of the unsynced batches, how many survive a crash between building the block and its finalization; None: no crash.
        """
        executor = self.executors[shard]
        index = max(len(self.states) - 1 - lag, self.referenced[shard][-1])
        reference = shard_reference(*self.states[index], shard)
        taken = Summary.decode(executor.latest.result.summary).incoming
        available = {source: self._available(source, shard, taken, reference) for source in range(SHARDS) if source != shard}
        number = executor.latest.result.number + 1
        context = BuildContext(reference, COINBASE, 0, number, 0, GENESIS_TIME + number, available)
        built = executor.build(executor.latest.result.hash, context, transactions, ROOM_MS)
        assert not built.rejected, built.rejected
        if crash is not None:
            self.crash(shard, crash)
            executor = self.executors[shard]
            assert executor.execute(built.block, reference, COINBASE, available).hash == built.result.hash
        (made,) = executor.finalize(built.result.hash)
        self.referenced[shard].append(index)
        self._note(shard, ShardBlock.decode(built.block), made)
        self.check(shard)

    def crash(self, shard, kept=0):
        """The shard's process ends; what was final is there when it starts again."""
        before = self.executors[shard].latest.result.hash
        self.disks[shard].crash(min(kept, self.disks[shard].unsynced))
        self.executors[shard] = self.disks[shard].open()
        assert self.executors[shard].latest.result.hash == before, "a crash takes nothing final"
        self.seen["crashes"] += 1

    def crosslink_shard(self, shard):
        """The beacon chain records the shard's newest block."""
        executor = self.executors[shard]
        result = executor.latest.result
        header = ShardHeader.decode(result.header)
        link = build_crosslink(self.state, result.header, Summary.decode(result.summary), self.finalization(header, shard))
        if link is None:
            return
        self.extend(link)
        executor.set_finalized(header.number)
        assert executor.total_wei(self.state.shards[shard].hash) == self.state.shards[shard].supply, "accounts and the recorded supply"
        for source in range(SHARDS):
            self.executors[source].prune_outgoing(shard, self.state.recorded_in(source, shard).count)
        self.seen["closed channels"] += sum(sum(record.closed[:SHARDS]) for record in self.state.shards)

    def overspend(self, shard, other):
        """What a corrupted committee would have recorded: a receipt that carries all the shard holds is taken, one wei more is refused."""
        result = self.executors[shard].latest.result
        honest, number = Summary.decode(result.summary), self.state.shards[shard].height + 1
        held = self.executors[shard].total_wei(result.hash)
        for wei in (held, held + 1):
            outgoing, old = list(honest.outgoing), honest.outgoing[other]
            outgoing[other] = ChannelTotals(old.count + 1, old.value + wei, b"\xee" * 32)
            forged = replace(honest, outgoing=tuple(outgoing))
            header = replace(ShardHeader.decode(result.header), number=number, requests_hash=forged.requests_hash())
            link = build_crosslink(self.state, header.encode(), forged, self.finalization(header, shard))
            refusal = None
            try:
                apply_crosslink(self.state, link, self.parameters)
            except InvalidBlock as error:
                refusal = error.reason
            assert refusal == (BlockReason.CONTAINMENT if wei > held else None), "a shard spends all it holds, and no wei more"
        self.seen["overspending refused"] += 1

    def accept(self, block):
        """Of the beacon chain."""
        state = super().accept(block)
        self.states.append((state, self.root))
        assert imbalance(state) == 0
        return state

    def void(self, shard):
        """A forced close: all above the newest crosslink never was."""
        record = self.state.shards[shard]
        self.seen["voided blocks"] += len(self.executors[shard].truncate(record.hash))
        del self.referenced[shard][record.height + 1 :]
        for other in set(range(SHARDS)) - {shard}:
            del self.sent[shard, other][record.summary.outgoing[other].count :]
            del self.delivered[other, shard][record.summary.incoming[other].count :]
        self.check(shard)

    def settle(self):
        """Goes on until nothing is on its way, and looks at what became of every receipt."""
        for _ in range(SETTLE_ROUNDS):
            for shard in range(SHARDS):
                self.extend_shard(shard)
                self.crosslink_shard(shard)
            if all(self.delivered[c] == self.sent[c] and self.state.recorded_in(*c) == self.state.recorded_out(*c) for c in self.sent):
                break
        assert self.delivered == self.sent, "each receipt is delivered"
        assert not any(map(sum, self.state.in_flight)), "nothing is on its way"
        for shard in range(SHARDS):
            assert not self._awaiting(shard), "every call with a callback has ended"
            for identity, outcome in self._outcomes(shard).items():
                self._check_ended(shard, identity, outcome)

    # -- what must hold

    def check(self, shard):
        """Of one shard after any change: its channels, its wei, the escrow of its callbacks, and that calls are answered in order."""
        executor = self.executors[shard]
        result = executor.latest.result
        summary = Summary.decode(result.summary)
        others = [other for other in range(SHARDS) if other != shard]
        for other in others:
            sent, delivered = self.sent[other, shard], self.delivered[other, shard]
            assert delivered == sent[: len(delivered)], "what is delivered is what was sent, in order"
            assert summary.incoming[other] == EMPTY_CHANNEL.add(delivered, self.base)
            assert summary.outgoing[other] == EMPTY_CHANNEL.add(self.sent[shard, other], self.base)
            answers = [self._outcome(receipt).call_id for receipt in self.sent[shard, other] if receipt.kind == ReceiptKind.RESULT]
            calls = [receipt.identity(self.base) for receipt in delivered if receipt.kind == ReceiptKind.CALL_WITH_CALLBACK]
            assert answers == calls, "each call with a callback has one result"
        moved = sum(totals.value for totals in summary.incoming) - sum(totals.value for totals in summary.outgoing)
        held = self.supplies[shard] + moved - summary.burned - summary.fees
        assert executor.total_wei(result.hash) == held, "no wei of a shard comes or goes"
        awaited = [self._awaited(shard, receipt.identity(self.base)) for receipt in self._awaiting(shard)]
        assert all(awaited), "who waits for a callback is written down"
        assert executor.account(OUTBOX)[1] == sum(one.escrow for one in awaited), "Outbox holds what pays the callbacks to come"

    def _note(self, shard, block, made):
        for receipt in block.inbound:
            channel = self.delivered[receipt.source, shard]
            assert receipt.nonce == len(channel), f"receipt {receipt.nonce} of {receipt.source} where {len(channel)} is next"
            channel.append(receipt)
            self.seen[ReceiptKind(receipt.kind).name.lower()] += 1
        for other, (first, end) in made.sent.items():
            channel = self.sent[shard, other]
            assert first == len(channel)
            while len(channel) < end:
                channel += self.executors[shard].outgoing(other, len(channel), end - len(channel)).receipts

    def _available(self, source, shard, taken, reference):
        """As a node gets them: a page of the source's receipts, as far as they are recorded, once they fold to that."""
        first, recorded = taken[source], reference.inbound[source]
        found = []
        while first.count + len(found) < recorded.count:
            page = min(recorded.count - first.count - len(found), BUNDLE_RECEIPTS_MAX)
            found += self.executors[source].outgoing(shard, first.count + len(found), page).receipts
        assert first.add(found, self.base) == recorded
        return tuple(found)

    def _outcome(self, receipt):
        return Outcome.decode(receipt.data, self.parameters.callback_data_max)

    def _outcomes(self, shard):
        """By call: the results that were delivered here."""
        arrived = [receipt for (_, to), channel in self.delivered.items() if to == shard for receipt in channel]
        told = [self._outcome(receipt) for receipt in arrived if receipt.kind == ReceiptKind.RESULT]
        outcomes = {outcome.call_id: outcome for outcome in told}
        assert len(outcomes) == len(told), "each outcome is told once"
        return outcomes

    def _awaiting(self, shard):
        """Calls with a callback sent here whose result has not come."""
        sent = [receipt for (source, _), channel in self.sent.items() if source == shard for receipt in channel]
        ended = self._outcomes(shard)
        return [r for r in sent if r.kind == ReceiptKind.CALL_WITH_CALLBACK and r.identity(self.base) not in ended]

    def _word(self, shard, account, slot):
        executor = self.executors[shard]
        return executor.engine.storage(ShardHeader.decode(executor.latest.result.header).state_root, account, slot)

    def _awaited(self, shard, identity):
        return callbacks.read_awaited(lambda account, slot: self._word(shard, account, slot), identity)

    def _check_ended(self, shard, identity, outcome):
        """The callback ran, or Outbox keeps the record of its result."""
        slot = callbacks._slot(identity)
        record = self._word(shard, OUTBOX, slot + 1)
        assert self._word(shard, OUTBOX, slot) == 0, "a callback that came is awaited no more"
        assert record in (0, int.from_bytes(outcome.digest(), "big")), "a failed callback leaves the digest of its result"
        self.seen["callbacks failed" if record else "callbacks run"] += 1
