"""What an operator decides about one node: defaults, then its TOML file, then `SHARDNET_*`, then flags.

Source: design page ARCHITECTURE, Configuration.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from primitives.errors import InvalidConfig
from shard.pool import PoolLimits

CONFIG_FILE_BYTES_MAX = 1024 * 1024
ENVIRONMENT_PREFIX = "SHARDNET_"
PEERS_MAX = 256
_OTHER_VARIABLES = ("SHARDNET_VYPER",)
"""Of the build, not of a node."""
_PATHS = ("genesis", "data_dir", "node_key", "validator_keys", "log_file")
_DEFAULT_POOL = PoolLimits()

Port = Annotated[int, Field(ge=1, le=65_535)]
Name = Annotated[str, Field(min_length=1, max_length=253)]


class PeerConfig(BaseModel):
    """A peer that the node keeps a connection with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Name
    """Name or address."""
    port: Port
    peer_id: Annotated[str, Field(pattern=r"^[1-9A-HJ-NP-Za-km-z]{40,64}$")]
    """Base58, as the peer's log says at its start."""

    @classmethod
    def parse(cls, text: str) -> PeerConfig:
        """A peer written as `HOST:PORT:PEERID`; an IPv6 host may stand in brackets.

        Raises:
            InvalidConfig: it is not.
        """
        place, _, peer_id = text.rpartition(":")
        host, _, port = place.rpartition(":")
        try:
            return cls(host=host.removeprefix("[").removesuffix("]"), port=int(port), peer_id=peer_id)
        except ValueError as error:
            raise InvalidConfig("peers", f"{text!r} is not a peer: write HOST:PORT:PEERID, as shardnet status shows it") from error


class NodeConfig(BaseModel):
    """The settings of one node; paths are absolute once loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    genesis: Path
    """What all nodes of the network agree on."""
    data_dir: Path
    """Folder of the databases; made when it is not there."""
    node_key: Path
    """The node's identity towards its peers; made when it is not there."""
    validator_keys: Path | None = None
    """JSON list of validator keys; None: the node follows and does not vote."""
    listen_host: Name = "127.0.0.1"
    """Address of every port."""
    rpc_port: Port = 8545
    """Shard s is served on `rpc_port + s`."""
    metrics_port: Port = 9100
    """Metrics, health and readiness."""
    p2p_port: Port = 9000
    shards: Annotated[tuple[Annotated[int, Field(ge=0, le=31)], ...], Field(max_length=32)] | None = None
    """Shards that run here; None: all. A node with validators runs every one."""
    peers: Annotated[tuple[PeerConfig, ...], Field(max_length=PEERS_MAX)] = ()
    allowed_hosts: Annotated[tuple[Name, ...], Field(max_length=256)] = ()
    """Names that a request's `Host` header may carry besides `localhost` and addresses; `*` for any."""
    persona: str | None = None
    """How the node breaks the rules, on a network for development; None: it keeps them."""
    executor: Literal["process", "inline"] = "process"
    """Whether each shard executes in a process of its own."""
    engine: Literal["reference", "fast"] = "fast"
    """What executes blocks; what comes of it is the same."""
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_file: Path | None = None
    """Where the log goes; None: standard error."""
    log_file_bytes_max: Annotated[int, Field(ge=64 * 1024, le=2**36)] = 16 * 1024 * 1024
    """The log file is set aside as `.1`, `.1` as `.2`, ..., before it grows over this."""
    log_files_max: Annotated[int, Field(ge=1, le=1_000)] = 4
    """Log files that are kept, with the one that is written."""
    mempool_transactions_max: Annotated[int, Field(ge=1, le=10_000_000)] = _DEFAULT_POOL.transactions_max
    """Of each shard's pool."""
    mempool_transactions_per_sender_max: Annotated[int, Field(ge=1, le=10_000_000)] = _DEFAULT_POOL.transactions_per_sender_max
    mempool_bytes_max: Annotated[int, Field(ge=128 * 1024, le=2**36)] = _DEFAULT_POOL.bytes_max
    """Signed bytes in each shard's pool."""

    @field_validator(*_PATHS, mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value == "":
            raise ValueError("is empty: name a file or folder")
        return value

    @model_validator(mode="after")
    def _distinct_ports(self) -> Self:
        if len({self.rpc_port, self.metrics_port, self.p2p_port}) < 3:
            raise ValueError("rpc_port, metrics_port and p2p_port must differ")
        return self

    def pool_limits(self) -> PoolLimits:
        """The limits of each shard's pool."""
        return PoolLimits(
            transactions_max=self.mempool_transactions_max,
            transactions_per_sender_max=self.mempool_transactions_per_sender_max,
            bytes_max=self.mempool_bytes_max,
        )


def load_config(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, object] | None = None) -> NodeConfig:
    """The configuration in a TOML file, with what the environment and the flags put in its place.

    Args:
        path: the TOML file, if there is one; relative paths in it are relative to its folder, all others to the working folder.
        environment: variables; `SHARDNET_RPC_PORT` sets `rpc_port`, lists are separated by commas, `peers` is JSON.
        flags: settings by name; None leaves a setting alone.

    Raises:
        InvalidConfig: names the field and what is wrong with it.
    """
    settings = {} if path is None else _read(path)
    for name in _PATHS:
        if path is not None and isinstance(settings.get(name), str) and settings[name]:
            settings[name] = path.parent.absolute() / str(settings[name])
    settings |= _from_environment(environment)
    settings |= {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        config = NodeConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidConfig(where, _sentence(first["type"], str(first["msg"]))) from error
    return config.model_copy(update={name: value.absolute() for name in _PATHS if (value := getattr(config, name)) is not None})


def _read(path: Path) -> dict[str, object]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidConfig("", f"the configuration {path} cannot be read: {error.strerror}; name one with --config") from error
    if len(content) > CONFIG_FILE_BYTES_MAX:
        raise InvalidConfig("", f"the configuration {path} is over {CONFIG_FILE_BYTES_MAX} bytes")
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfig("", f"the configuration {path} is not TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    settings: dict[str, object] = {}
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in _OTHER_VARIABLES:
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name not in NodeConfig.model_fields:
            raise InvalidConfig(name, f"the environment variable {variable} sets nothing: correct its name, or unset it")
        settings[name] = _parse_variable(name, variable, text)
    return settings


def _parse_variable(name: str, variable: str, text: str) -> object:
    if name in ("allowed_hosts", "shards"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name != "peers":
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidConfig(name, f"the environment variable {variable} is not JSON: {error}") from error


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such setting: correct its name, or remove it"
    if kind == "missing":
        return "is missing: it has no default"
    return message.removeprefix("Value error, ")
