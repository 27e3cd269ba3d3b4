"""The genesis file: parameters, validators and accounts, what all nodes of a network share.

Its root is part of every signature and topic, so nodes of different networks cannot even misunderstand each other.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from primitives import bls
from primitives.errors import InvalidGenesis
from primitives.hashing import sha256
from primitives.parameters import Committees, Parameters
from primitives.types import Root

VALIDATORS_MAX = 1024
ACCOUNTS_MAX = 100_000
GENESIS_FILE_BYTES_MAX = 64 * 1024 * 1024


def _from_hex(value: object) -> object:
    if isinstance(value, str):
        if not value.startswith("0x"):
            raise ValueError("must be hexadecimal starting with 0x")
        return bytes.fromhex(value[2:])
    return value


def _from_decimal(value: object) -> object:
    if isinstance(value, str):
        if not (value.isascii() and value.isdecimal()):
            raise ValueError("must be a decimal number in quotes")
        return int(value)
    return value


def _sized(size: int) -> AfterValidator:
    def check(value: bytes) -> bytes:
        if len(value) != size:
            raise ValueError(f"must be {size} bytes, has {len(value)}")
        return value

    return AfterValidator(check)


_HEX = (BeforeValidator(_from_hex), PlainSerializer(lambda value: "0x" + value.hex()))
Data = Annotated[bytes, *_HEX]
AddressField = Annotated[bytes, *_HEX, _sized(20)]
RootField = Annotated[bytes, *_HEX, _sized(32)]
PublicKeyField = Annotated[bytes, *_HEX, _sized(48)]
SignatureField = Annotated[bytes, *_HEX, _sized(96)]
WeiField = Annotated[int, BeforeValidator(_from_decimal), PlainSerializer(str), Field(ge=0, lt=2**128)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GenesisValidator(_Model):
    """A validator of epochs 0 and 1, and onward until it leaves."""

    public_key: PublicKeyField
    proof_of_possession: SignatureField
    stake: Annotated[WeiField, Field(gt=0)]
    fee_address: AddressField
    """Receives the tips of its blocks on every shard."""


class GenesisAccount(_Model):
    """An account that exists in the genesis state."""

    address: AddressField
    balance: WeiField = 0
    nonce: Annotated[int, Field(ge=0, lt=2**63)] = 0
    code: Data = b""
    storage: dict[int, Annotated[int, Field(ge=0, lt=2**256)]] = {}
    shards: tuple[int, ...] | None = None
    """Shards it exists on; None: on every shard, with this balance on each."""


class Genesis(_Model):
    """Everything two nodes must share before they can talk."""

    parameters: Parameters
    timestamp: Annotated[int, Field(ge=0, lt=2**63)]
    """Seconds since 1970; no block is older."""
    seed: RootField
    """Randomness of epochs 0 and 1."""
    validators: Annotated[tuple[GenesisValidator, ...], Field(min_length=1, max_length=VALIDATORS_MAX)]
    accounts: Annotated[tuple[GenesisAccount, ...], Field(max_length=ACCOUNTS_MAX)] = ()

    @cached_property
    def root(self) -> Root:
        """SHA-256 of the canonical JSON (sorted keys, no white space)."""
        return sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len({v.public_key for v in self.validators}) != len(self.validators):
            raise ValueError("validators: two have the same public_key")
        seen: set[tuple[bytes, int]] = set()
        for account in self.accounts:
            for shard in account.shards if account.shards is not None else range(self.parameters.shard_count):
                if not 0 <= shard < self.parameters.shard_count:
                    raise ValueError(f"accounts: 0x{account.address.hex()} names shard {shard}, which does not exist")
                if (account.address, shard) in seen:
                    raise ValueError(f"accounts: 0x{account.address.hex()} appears twice on shard {shard}")
                seen.add((account.address, shard))
        return self

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"


def parse_genesis(text: str | bytes) -> Genesis:
    """The genesis a file holds, keys and proofs of possession checked.

    Raises:
        InvalidGenesis: names the field and what is wrong with it.
    """
    if len(text) > GENESIS_FILE_BYTES_MAX:
        raise InvalidGenesis("", f"the genesis file is over {GENESIS_FILE_BYTES_MAX} bytes")
    try:
        genesis = Genesis.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidGenesis(where, str(first["msg"]).removeprefix("Value error, ")) from error
    if genesis.parameters.committees is not Committees.EVERYONE:
        raise InvalidGenesis("parameters.committees", "sampled committees are not built yet: use everyone")
    for i, validator in enumerate(genesis.validators):
        if not bls.verify_possession(validator.public_key, validator.proof_of_possession):
            raise InvalidGenesis(f"validators.{i}.proof_of_possession", "does not prove possession of public_key")
    return genesis
