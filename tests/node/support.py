"""A core in memory, for tests of what stands around it."""

from consensus.beacon.genesis import build_genesis_state
from consensus.signatures import BlsScheme
from node.core.core import Core
from node.core.effects import Now
from node.hosting import genesis_of_shards
from primitives import bls
from primitives.genesis import Genesis, GenesisAccount, GenesisValidator
from primitives.parameters import Parameters
from primitives.types import ValidatorIndex
from shard.database import MemoryDatabase
from shard.engine.reference import ReferenceEngine
from shard.executor.executor import ShardExecutor
from shard.executor.schema import StateReader
from shard.pool import Pool, PoolLimits

KEY = bls.derive_secret_key(b"\1" * 32)


def make_genesis(shards: int = 2) -> Genesis:
    validator = GenesisValidator(
        public_key=KEY.public_key, proof_of_possession=KEY.prove_possession(), stake=32 * 10**18, fee_address=b"\xfe" * 20
    )
    account = GenesisAccount(address=b"\xaa" * 20, balance=10**22)
    return Genesis(parameters=Parameters(shard_count=shards), timestamp=1, seed=b"\0" * 32, validators=(validator,), accounts=(account,))


def make_core(
    now: Now | None = None, hosted: tuple[int, ...] = (0, 1), genesis: Genesis | None = None, limits: PoolLimits | None = None
) -> Core:
    """A core of a one-validator network at genesis, not started."""
    genesis = genesis or make_genesis()
    heads = {}
    for shard in hosted:
        database = MemoryDatabase()
        engine = ReferenceEngine(genesis.parameters, shard, StateReader(database))
        heads[shard] = ShardExecutor(database, genesis, shard, engine, lambda: 0.0).head()
    block, state = build_genesis_state(genesis, genesis_of_shards(genesis, heads))
    pools = {shard: Pool(limits or PoolLimits()) for shard in heads}
    return Core(
        genesis=genesis, genesis_block=block, genesis_state=state, heads=heads, pools=pools, scheme=BlsScheme({0: KEY}),
        local=(ValidatorIndex(0),), read=lambda key: None, scan=lambda prefix: {}, now=now or Now(1_000, 1_000_000),
    )
