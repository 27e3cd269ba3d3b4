"""A beacon chain and shards for tests: signatures are hashes, shards are ledgers that fill in Summaries by the rules."""

from dataclasses import dataclass, field, replace
from hashlib import sha256

from consensus.beacon.building import build_crosslink, prepare_block
from consensus.beacon.committees import committee_of, instance_of, leader_seed
from consensus.beacon.genesis import ShardGenesis, build_genesis_state
from consensus.beacon.transition import process_block
from primitives.blocks import ExtraData
from primitives.genesis import Genesis, GenesisValidator
from primitives.hashing import keccak256
from primitives.headers import EMPTY_TRIE_ROOT, EMPTY_UNCLES_HASH, ShardHeader
from primitives.parameters import Parameters
from primitives.receipts import ChannelTotals, empty_summary
from primitives.votes import Certificate, Vote, VoteKind, base_certificate, randao_signing_root, vote_signing_root

SUPPLY = 10**6
STAKE = 100
GENESIS_TIME = 1_700_000_000


def key_of(index):
    return bytes([index + 1]) * 48


class HashScheme:
    """Unforgeable only by agreement: a signature is a hash of key and message, an aggregate their sum."""

    def sign(self, validator_index, message):
        return sha256(key_of(validator_index) + message).digest() * 3

    def can_sign(self, validator_index):
        return True

    def verify(self, public_key, message, signature):
        return signature == sha256(public_key + message).digest() * 3

    def aggregate(self, signatures):
        return (sum(int.from_bytes(s, "big") for s in signatures) % 2**768).to_bytes(96, "big")

    def fast_aggregate_verify(self, public_keys, message, signature):
        return signature == self.aggregate(tuple(sha256(key + message).digest() * 3 for key in public_keys))


def make_genesis(validators=4, **parameters):
    return Genesis(
        parameters=Parameters(**parameters),
        timestamp=GENESIS_TIME,
        seed=b"\x07" * 32,
        validators=tuple(
            GenesisValidator(public_key=key_of(i), proof_of_possession=b"\0" * 96, stake=STAKE, fee_address=bytes([i]) * 20)
            for i in range(validators)
        ),
    )


def make_header(shard, number, summary, **fields):
    return ShardHeader(**{
        "parent_hash": bytes([shard]) * 32, "uncles_hash": EMPTY_UNCLES_HASH, "coinbase": bytes(20), "state_root": bytes(32),
        "transactions_root": EMPTY_TRIE_ROOT, "receipts_root": EMPTY_TRIE_ROOT, "logs_bloom": bytes(256), "difficulty": 0,
        "number": number, "gas_limit": 30_000_000, "gas_used": 0, "timestamp": GENESIS_TIME + number,
        "extra_data": ExtraData(1, 0, number, 0, 0).encode(), "prev_randao": bytes(32), "nonce": bytes(8),
        "base_fee_per_gas": 10**9, "withdrawals_root": EMPTY_TRIE_ROOT, "blob_gas_used": 0, "excess_blob_gas": 0,
        "parent_beacon_block_root": bytes(32), "requests_hash": summary.requests_hash(),
    } | fields)


@dataclass
class ShardLedger:
    """An honest shard: what it holds, and its totals as of its newest block."""

    number: int
    chains: int
    balance: int = SUPPLY
    height: int = 0
    sent: dict = field(default_factory=dict)
    """By destination: values of all receipts sent."""

    def __post_init__(self):
        self.summary = empty_summary(self.chains - 1)

    def send(self, destination, value):
        values = self.sent.setdefault(destination, [])
        values.append(value)
        self.balance -= value
        self._change("outgoing", destination, [(len(values) - 1, value)], self.number, destination)

    def take(self, source, upto):
        """Takes in receipts of another ledger up to a recorded count; returns their value."""
        first = self.summary.incoming[source.number].count
        receipts = list(enumerate(source.sent.get(self.number, [])))[first:upto]
        self._change("incoming", source.number, receipts, source.number, self.number)
        self.balance += sum(value for _, value in receipts)
        return sum(value for _, value in receipts)

    def burn(self, value, fees=0):
        self.balance -= value + fees
        self.summary = replace(self.summary, burned=self.summary.burned + value, fees=self.summary.fees + fees)

    def _change(self, side, chain, receipts, source, destination):
        entries = list(getattr(self.summary, side))
        for nonce, value in receipts:
            old = entries[chain]
            identity = keccak256(repr((source, destination, nonce, value)).encode())
            entries[chain] = ChannelTotals(old.count + 1, old.value + value, keccak256(old.accumulator + identity))
        self.summary = replace(self.summary, **{side: tuple(entries)})


class Network:
    """A chain of beacon blocks over ledgers; each call extends it by one valid block or raises."""

    def __init__(self, **options):
        self.genesis = make_genesis(**options)
        self.parameters, self.scheme = self.genesis.parameters, HashScheme()
        count = self.parameters.shard_count
        self.shards = [ShardLedger(s, count + 1) for s in range(count)]
        headers = [ShardGenesis(make_header(s, 0, empty_summary(count)).encode(), SUPPLY) for s in range(count)]
        self.block, self.state = build_genesis_state(self.genesis, headers)

    @property
    def rules(self):
        return {"genesis_root": self.genesis.root, "parameters": self.parameters, "scheme": self.scheme}

    @property
    def root(self):
        return self.block.hash_tree_root()

    def certificate(self, instance, view, kind, root, committee, voters=None):
        voters = range(len(committee.members)) if voters is None else voters
        message = vote_signing_root(self.parameters.fork_version, self.genesis.root, instance, view, kind, root)
        signature = self.scheme.aggregate(tuple(self.scheme.sign(committee.members[i].index, message) for i in voters))
        bits = tuple(i in voters for i in range(len(committee.members)))
        return Certificate(instance, view, kind, root, bits, signature)

    def parent_certificate(self, voters=None, kind=VoteKind.NOTARIZE):
        instance = instance_of(self.state, self.state.beacon)
        if self.state.height == instance.epoch * self.parameters.epoch_length:
            return base_certificate(instance, self.root)
        return self.certificate(instance, self.block.view, kind, self.root, committee_of(self.state, self.state.beacon), voters)

    def reveal(self, proposer, height):
        return self.scheme.sign(proposer, randao_signing_root(self.parameters.fork_version, self.genesis.root, self.state.beacon, height))

    def leader(self, view):
        beacon = self.state.beacon
        return committee_of(self.state, beacon).leader(leader_seed(self.state, beacon), beacon, view).index

    def vote(self, validator, view, kind, root, instance=None):
        """A signed vote of a validator, in the beacon chain's instance unless told otherwise."""
        instance = instance or instance_of(self.state, self.state.beacon)
        message = vote_signing_root(self.parameters.fork_version, self.genesis.root, instance, view, kind, root)
        return Vote(instance, view, kind, root, validator, self.scheme.sign(validator, message))

    def next_block(self, crosslinks=(), parent=None, evidence=(), **fields):
        """A valid block on the head, but for `fields`."""
        parent = parent or self.parent_certificate()
        view = fields.get("view", parent.view + 1)
        proposer = self.leader(view)
        fields = {
            "view": view, "proposer": proposer, "parent_root": self.root, "parent_certificate": parent,
            "timestamp": self.state.timestamp + 1, "reveal": self.reveal(proposer, self.state.height + 1),
        } | fields
        return prepare_block(self.state, crosslinks=tuple(crosslinks), evidence=tuple(evidence), parameters=self.parameters, **fields)

    def accept(self, block):
        self.state = process_block(self.state, block, parent_root=self.root, **self.rules)
        self.block = block
        return self.state

    def extend(self, *crosslinks):
        return self.accept(self.next_block(crosslinks))

    def finalization(self, header, shard, voters=None, kind=VoteKind.FINALIZE, instance=None):
        instance = instance or instance_of(self.state, shard)
        return self.certificate(instance, max(header.number, 1), kind, header.hash(), committee_of(self.state, shard), voters)

    def crosslink(self, shard, blocks=1, summary=None, **fields):
        """Of the shard's ledger as it is now (or of another Summary), `blocks` above the newest crosslink."""
        summary = summary or self.shards[shard].summary
        header = make_header(shard, self.state.shards[shard].height + blocks, summary, **fields)
        return build_crosslink(self.state, header.encode(), summary, self.finalization(header, shard))
