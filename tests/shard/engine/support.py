"""A shard to execute on: accounts with keys, a genesis, contexts."""

import coincurve
import rlp

from primitives.blocks import ChannelTerms, ShardReference
from primitives.genesis import GenesisAccount
from primitives.hashing import keccak256
from primitives.parameters import Parameters
from primitives.receipts import EMPTY_CHANNEL
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.engine.interface import BlockContext
from shard.engine.reference import ReferenceEngine
from shard.transactions import decode_transaction

GWEI = 10**9
COINBASE = b"\xc0" * 20
RICH = 10**24
ENGINE = ReferenceEngine
"""Of shards that name none; what there is besides, tests in this folder run on too (conftest.py)."""


def key(i):
    return coincurve.PrivateKey(keccak256(b"key%d" % i))


def address(i):
    return keccak256(key(i).public_key.format(compressed=False)[1:])[12:]


def integer(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


class Shard:
    """One shard chain, block after block."""

    def __init__(self, contracts=None, shard=0, engine=None, **parameters):
        self.parameters = Parameters(**{"shard_count": 3, **parameters})
        self.shard = shard
        self.nodes = {}
        self.engine = (engine or ENGINE)(self.parameters, shard, self.nodes)
        accounts = [GenesisAccount(address=address(i), balance=RICH) for i in range(3)]
        accounts += [GenesisAccount(address=a, nonce=1, code=code) for a, code in (contracts or {}).items()]
        genesis = self.engine.genesis(accounts)
        self.nodes.update(genesis.writes)
        self.root, self.supply, self.height = genesis.state_root, genesis.supply, 0
        self.nonces = {}
        self.base_fee = GWEI

    def context(self, **terms):
        count = self.parameters.shard_count + 1
        by_chain = tuple(terms.get(f"to_{i}", ChannelTerms(GWEI if i < count - 1 else 0, int(i == count - 1))) for i in range(count))
        reference = ShardReference(b"\1" * 32, 1, 0, b"\2" * 32, by_chain, (EMPTY_CHANNEL,) * count)
        return BlockContext(
            self.height + 1, 1000 + self.height, COINBASE, self.parameters.gas_limit, self.base_fee, b"\3" * 32, reference,
            lambda number: keccak256(b"%d" % number),
        )  # fmt: skip

    def begin(self, **terms):
        return self.engine.begin(self.root, self.context(**terms))

    def finish(self, block):
        result = block.finish()
        assert result.imbalance == 0
        self.nodes.update(result.writes)
        self.root, self.height = result.state_root, self.height + 1
        self.supply += result.taken_in - result.sent - result.burned - result.fees
        return result

    def transaction(self, i, to, value=0, data=b"", gas=1_000_000, nonce=None):
        if nonce is None:
            nonce = self.nonces.get(i, 0)
            self.nonces[i] = nonce + 1
        fields = [
            integer(self.parameters.chain_id(self.shard)), integer(nonce), integer(GWEI), integer(3 * GWEI), integer(gas),
            to or b"", integer(value), data, [],
        ]  # fmt: skip
        signature = key(i).sign_recoverable(keccak256(b"\x02" + rlp.encode(fields)), hasher=None)
        parts = [integer(signature[64]), integer(int.from_bytes(signature[:32], "big")), integer(int.from_bytes(signature[32:64], "big"))]
        return decode_transaction(b"\x02" + rlp.encode(fields + parts))

    def send(self, block, i, to, value=0, data=b"", gas=1_000_000, meter=None):
        return block.apply(self.transaction(i, to, value, data, gas), address(i), meter)

    def outbox(self, block, method, *arguments, value=0, i=0):
        return self.send(block, i, OUTBOX, value, OUTBOX_CONTRACT.encode_call(method, *arguments))

    def balance(self, account):
        return self.engine.account(self.root, account).balance

    def audit(self):
        assert sum(account.balance for _, account in self.engine.iterate_accounts(self.root)) == self.supply
