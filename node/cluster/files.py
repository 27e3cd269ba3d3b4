"""Writes the files of a network: genesis, and for each node its configuration, its identity and its validator keys."""

from __future__ import annotations

import json
import secrets
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

import tomli_w
from eth_keys.datatypes import PrivateKey

from node.cluster.accounts import COIN, FAUCET_ACCOUNT, FAUCET_COINS, TEST_ACCOUNT_COINS, TEST_ACCOUNTS
from node.cluster.layout import Layout, Options, replace_file, write_options
from p2p.adapter.identity import load_or_create_identity
from primitives import bls
from primitives.errors import InvalidConfig
from primitives.genesis import Genesis, GenesisAccount, GenesisValidator
from primitives.hashing import sha256
from primitives.parameters import Committees, Parameters

STAKE_COINS = 1_000
"""Of each validator."""
SOLO_BUDGET_MS = 1_000
"""What the budgets of a network of one node are reckoned from at least."""
DELTA_MS = 250
"""Assumed delay between processes of one machine, with room for a loaded one."""


def write_network(out: Path, options: Options, hosts: Sequence[str] | None = None) -> Genesis:
    """Writes a new network into a folder that holds none.

    Args:
        out: the folder; made when it is not there.
        options: what the network is made with.
        hosts: the name or address of each node for the others; None: all on this machine.

    Returns:
        The genesis.

    Raises:
        InvalidConfig: names the option that is wrong.
    """
    options.check()
    layout = Layout(out)
    if layout.genesis.exists():
        raise InvalidConfig("--out", f"{layout.genesis} exists already: remove it, or name another folder")
    names = list(hosts) if hosts else [options.dial_host] * options.nodes
    if len(names) != options.nodes:
        raise InvalidConfig("--hosts", f"names {len(names)} hosts for {options.nodes} nodes: name one a node, separated by commas")
    secret_keys = [_draw_secret_key() for _ in range(options.nodes * options.validators_per_node)]
    genesis = _make_genesis(options, secret_keys)
    peer_ids = []
    for node in range(options.nodes):
        layout.node(node).mkdir(parents=True, exist_ok=True)
        peer_ids.append(load_or_create_identity(layout.node(node) / "node.key"))
        replace_file(layout.peer_id(node), f"{peer_ids[node]}\n")
        own = range(node * options.validators_per_node, (node + 1) * options.validators_per_node)
        entries = [_key_entry(index, secret_keys[index]) for index in own]
        replace_file(layout.node(node) / "validator-keys.json", json.dumps(entries, indent=2) + "\n", mode=0o600)
    everyone = [{"host": name, "port": options.p2p_port + i, "peer_id": str(peer_ids[i])} for i, name in enumerate(names)]
    for node in range(options.nodes):
        settings: dict[str, object] = {
            "genesis": "../genesis.json", "data_dir": ".", "node_key": "node.key", "validator_keys": "validator-keys.json",
            **_ports(options, node),
            "peers": [peer for i, peer in enumerate(everyone) if i != node],
        }  # fmt: skip
        if hosts:
            settings["allowed_hosts"] = sorted(set(names))
        replace_file(layout.config(node), tomli_w.dumps(settings))
    replace_file(layout.genesis, genesis.to_json())
    write_options(layout, options)
    return genesis


def move_network(layout: Layout, options: Options) -> None:
    """Brings the nodes' configurations to other ports or another host; all else in them stays.

    Raises:
        InvalidConfig: a configuration cannot be read.
    """
    options.check()
    for node in range(options.nodes):
        path = layout.config(node)
        try:
            settings = tomllib.loads(path.read_text())
            others = [i for i in range(options.nodes) if i != node]
            for peer, other in zip(settings["peers"], others, strict=True):
                peer |= {"host": options.dial_host, "port": options.p2p_port + other}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidConfig("", f"{path} cannot be changed ({error}): leave the ports as they were, or use --fresh") from error
        replace_file(path, tomli_w.dumps(settings | _ports(options, node)))
    write_options(layout, options)


def _ports(options: Options, node: int) -> dict[str, object]:
    return {
        "listen_host": options.listen_host,
        "rpc_port": options.rpc_port_of(node),
        "metrics_port": options.metrics_port + node,
        "p2p_port": options.p2p_port + node,
    }


def _draw_secret_key() -> bytes:
    return (1 + secrets.randbelow(bls.CURVE_ORDER - 1)).to_bytes(bls.SECRET_KEY_BYTES, "big")


def _fee_key(secret_key: bytes) -> PrivateKey:
    """The key of a validator's account: a hash of its own, so that nothing more can be lost."""
    return PrivateKey(sha256(b"shardnet fee account" + secret_key))


def _key_entry(index: int, secret_key: bytes) -> dict[str, object]:
    fee_key = _fee_key(secret_key)
    return {
        "index": index, "public_key": "0x" + bls.SecretKey(secret_key).public_key.hex(), "secret_key": "0x" + secret_key.hex(),
        "fee_address": fee_key.public_key.to_checksum_address(), "fee_secret_key": fee_key.to_hex(),
    }  # fmt: skip


def _make_validator(secret_key: bytes) -> GenesisValidator:
    key = bls.SecretKey(secret_key)
    return GenesisValidator(
        public_key=key.public_key,
        proof_of_possession=key.prove_possession(),
        stake=STAKE_COINS * COIN,
        fee_address=_fee_key(secret_key).public_key.to_canonical_address(),
    )


def _make_genesis(options: Options, secret_keys: Sequence[bytes]) -> Genesis:
    # where nobody else has to execute a block, quick ones need not be light ones
    budget_ms = max(options.block_time_ms, SOLO_BUDGET_MS) if options.nodes == 1 else options.block_time_ms
    parameters = Parameters(
        developer_controls=options.nodes == 1,
        shard_count=options.shards,
        chain_id_base=options.chain_id_base,
        block_time_ms=options.block_time_ms,
        idle_block_time_ms=options.idle_block_time_ms,
        delta_ms=DELTA_MS,
        execution_budget_ms=max(1, budget_ms // 2),
        build_budget_ms=max(1, budget_ms // 4),
        epoch_length=options.epoch_length,
        committees=Committees.EVERYONE,
        gas_limit=options.gas_limit,
        inbound_call_gas_max=min(1_000_000, options.gas_limit // 2),
        receipt_gas_max=min(1_000_000, options.gas_limit // 2),
    )
    balances = [(account, TEST_ACCOUNT_COINS) for account in TEST_ACCOUNTS] + [(FAUCET_ACCOUNT, FAUCET_COINS)]
    return Genesis(
        parameters=parameters,
        timestamp=int(time.time()),
        seed=secrets.token_bytes(32),
        validators=tuple(_make_validator(secret_key) for secret_key in secret_keys),
        accounts=tuple(GenesisAccount(address=bytes.fromhex(a.address[2:]), balance=coins * COIN) for a, coins in balances),
    )
