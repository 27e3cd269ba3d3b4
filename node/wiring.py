"""The single place where a node's parts are put together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from consensus.beacon.genesis import build_genesis_state
from consensus.signatures import BlsScheme
from node.config import NodeConfig
from node.core.core import Core
from node.core.effects import Now
from node.executors.executor import Executor
from node.executors.inline import InlineExecutor
from node.executors.link import ExecutorLink
from node.genesis import load_genesis
from node.hosting import genesis_of_shards, hosted_shards
from node.past import STORE
from node.personas import PERSONAS, Persona
from node.snapshots import Snapshots
from node.store import NodeStore
from p2p.topics import Topic, topics_of
from primitives import bls
from primitives.errors import InvalidConfig, InvalidSignature, StartupRefused
from primitives.genesis import Genesis
from primitives.types import ValidatorIndex
from shard.database import LevelDatabase
from shard.pool import Pool, PoolLimits
from shard.results import HeadInfo


@dataclass(frozen=True, slots=True)
class Identity:
    """What a node is told by its files."""

    genesis: Genesis
    scheme: BlsScheme
    local: tuple[ValidatorIndex, ...]
    shards: tuple[int, ...]
    """Those that run here."""


def load_identity(config: NodeConfig) -> Identity:
    """Genesis and validator keys.

    Raises:
        InvalidGenesis: the genesis file.
        InvalidConfig: a key file that cannot be read, or a key or shard that is not of this genesis, or some of the validators only
            where a developer may change the past.
    """
    genesis = load_genesis(config.genesis)
    keys = {} if config.validator_keys is None else _load_keys(config.validator_keys, genesis)
    if genesis.parameters.developer_controls and keys and len(keys) < len(genesis.validators):
        have, want = len(keys), len(genesis.validators)
        raise InvalidConfig("validator_keys", f"developer_controls in genesis want all {want} validators at one node, not {have} of them")
    shards = hosted_shards(genesis, config.shards, has_validators=bool(keys))
    return Identity(genesis, BlsScheme(keys), tuple(ValidatorIndex(index) for index in sorted(keys)), shards)


def _load_keys(path: Path, genesis: Genesis) -> dict[int, bls.SecretKey]:
    try:
        entries = json.loads(path.read_bytes())
        keys = {int(entry["index"]): bls.SecretKey(bytes.fromhex(entry["secret_key"].removeprefix("0x"))) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidSignature) as error:
        raise InvalidConfig("validator_keys", f"{path} is not a list of validator keys ({error}): make it with shardnet genesis") from error
    for index, key in keys.items():
        if not 0 <= index < len(genesis.validators) or genesis.validators[index].public_key != key.public_key:
            raise InvalidConfig("validator_keys", f"the key of validator {index} in {path} is not the one in the genesis file")
    return keys


def make_links(config: NodeConfig, identity: Identity) -> dict[int, Executor]:
    """One executor for each hosted shard; not started yet."""
    genesis, links = identity.genesis, dict[int, Executor]()
    for shard in identity.shards:
        folder = config.data_dir / _store_of(shard)
        if config.executor == "inline":
            links[shard] = InlineExecutor(genesis, shard, LevelDatabase(folder), engine=config.engine)
        else:
            links[shard] = ExecutorLink(genesis, shard, folder, engine=config.engine)
    return links


def _store_of(shard: int) -> str:
    return f"shard-{shard}"


def settled_snapshots(config: NodeConfig, identity: Identity) -> Snapshots:
    """The snapshots in a node's data folder, which is made; what was left of going back to one is done before anything is opened.

    Raises:
        StartupRefused: the folder cannot be written.
    """
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupRefused(f"the data folder {config.data_dir} cannot be made: {error.strerror}") from error
    snapshots = Snapshots(config.data_dir, (STORE, *map(_store_of, identity.shards)))
    try:
        snapshots.finish()
    except OSError as error:
        raise StartupRefused(f"the data folder {config.data_dir} cannot be put in order ({error}): see that it can be written") from error
    return snapshots


def make_pools(heads: Mapping[int, HeadInfo], limits: PoolLimits) -> dict[int, Pool]:
    """An empty pool for each hosted shard."""
    return {shard: Pool(limits) for shard in heads}


def make_core(identity: Identity, heads: Mapping[int, HeadInfo], store: NodeStore, limits: PoolLimits, now: Now) -> Core:
    """The core on top of what the store and the executors hold."""
    genesis = identity.genesis
    block, state = build_genesis_state(genesis, genesis_of_shards(genesis, heads))
    return Core(
        genesis=genesis, genesis_block=block, genesis_state=state, heads=heads, pools=make_pools(heads, limits),
        scheme=identity.scheme, local=identity.local, read=store.read, scan=store.scan, now=now,
    )


def make_persona(config: NodeConfig, identity: Identity) -> Persona | None:
    """What a node does on purpose that it must not; None where it is honest.

    Raises:
        InvalidConfig: no such persona, or not on a network for development, or without a validator.
    """
    if config.persona is None:
        return None
    kind = PERSONAS.get(config.persona)
    if kind is None:
        raise InvalidConfig("persona", f"there is no {config.persona!r}: name one of {', '.join(PERSONAS)}, or leave it out")
    if not identity.genesis.parameters.devnet or not identity.local:
        raise InvalidConfig("persona", "is for validators of a network for development: leave it out")
    return kind(identity.genesis, identity.scheme, Random())


def topic_names(genesis: Genesis) -> dict[str, Topic]:
    """All topics of the network, by the name the network sees."""
    return {topic.name(genesis.root): topic for topic in topics_of(genesis.parameters.shard_count)}


def heard_topics(identity: Identity) -> dict[str, Topic]:
    """Of those, what the node listens to: the topics of the chains it follows."""
    followed = {*identity.shards, identity.genesis.parameters.beacon}
    return {name: topic for name, topic in topic_names(identity.genesis).items() if topic.chain in followed}
