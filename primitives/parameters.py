"""Parameters: what all nodes must agree on, part of genesis (PROTOCOL, all sections; two layers as in STYLE 9)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from primitives.blocks import SHARDS_MAX
from primitives.callbacks import OUTCOME_HEAD_BYTES
from primitives.receipts import RECEIPT_DATA_BYTES_MAX, RECEIPT_FIXED_BYTES
from primitives.votes import BLOCK_BYTES_MAX


class Committees(StrEnum):
    """How committees are drawn (PROTOCOL 3)."""

    EVERYONE = "everyone"
    """Each validator serves on every shard."""
    SAMPLED = "sampled"


Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]
Gas = Annotated[int, Field(ge=21_000, le=2**40)]


class Parameters(BaseModel):
    """Protocol parameters; the defaults suit one machine at one block a second."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    fork_version: Annotated[int, Field(ge=0, lt=2**32)] = 1
    """Part of every signature; a change of wire or storage form bumps it."""
    shard_count: Annotated[int, Field(ge=1, le=SHARDS_MAX)] = 2
    chain_id_base: Annotated[int, Field(ge=1, lt=2**32)] = 735_700
    """Shard s has chain id `chain_id_base + s`."""
    devnet: bool = True
    """Test accounts with public keys and the faucet are allowed."""
    developer_controls: bool = False
    """Time, mining, balances and the past itself are a developer's to change (docs/decisions/0015); all validators are one node's."""

    block_time_ms: Milliseconds = 1000
    idle_block_time_ms: Milliseconds = 5000
    delta_ms: Milliseconds = 250
    """Δ: assumed network delay, before back-off."""
    execution_budget_ms: Milliseconds = 500
    """Time the advance timer grants for execution."""
    build_budget_ms: Milliseconds = 250
    """Wall-clock time for executing user transactions while building."""
    skip_views: Annotated[int, Field(ge=1, le=64)] = 8
    clock_drift_max_ms: Milliseconds = 500

    epoch_length: Annotated[int, Field(ge=4, le=100_000)] = 60
    """Beacon heights of an epoch."""
    committees: Committees = Committees.EVERYONE
    handover_blocks: Annotated[int, Field(ge=1, le=1000)] = 10
    """Beacon blocks after a run's first before a shard's old instance is closed by force."""
    slash_percent: Annotated[int, Field(ge=1, le=100)] = 50
    """Share of its stake that evidence costs a validator."""
    evidence_reward_percent: Annotated[int, Field(ge=0, le=100)] = 10
    """Share of that which goes to the proposer who includes the evidence; the rest is burned."""
    reference_lag_max: Annotated[int, Field(ge=1, le=1000)] = 8
    """Beacon blocks a referenced block may lie behind a voter's finalized head."""

    gas_limit: Gas = 30_000_000
    """Of a shard block."""
    base_fee_initial: Annotated[int, Field(ge=7, lt=2**64)] = 1_000_000_000
    """Wei a gas, in shard genesis blocks."""
    block_bytes_max: Annotated[int, Field(ge=65_536, le=BLOCK_BYTES_MAX)] = 2 * 1024 * 1024
    inbound_gas_share_percent: Annotated[int, Field(ge=1, le=90)] = 50
    """Share of the gas limit that inbound receipts may use."""
    inbound_call_gas_max: Gas = 1_000_000
    """Of that, what calls may count together; it bounds the time a block takes at its worst (docs/decisions/0009)."""
    inbound_bytes_max: Annotated[int, Field(ge=RECEIPT_FIXED_BYTES + RECEIPT_DATA_BYTES_MAX, le=BLOCK_BYTES_MAX)] = 524_288
    """Bytes that inbound receipts may count together in one block: 384 each, and their data."""
    receipt_gas_max: Gas = 1_000_000
    """Gas limit of one call receipt."""
    receipts_per_block_max: Annotated[int, Field(ge=1, le=10_000)] = 500
    outbox_bytes_per_block_max: Annotated[int, Field(ge=1024, le=BLOCK_BYTES_MAX)] = 200_000
    data_max: Annotated[int, Field(ge=0, le=RECEIPT_DATA_BYTES_MAX)] = RECEIPT_DATA_BYTES_MAX
    """Bytes of a call receipt's data."""
    callback_data_max: Annotated[int, Field(ge=32, le=RECEIPT_DATA_BYTES_MAX - OUTCOME_HEAD_BYTES)] = 1024
    """Bytes of return data that a result carries; longer ones are cut. A word has to pass: contracts answer in one."""
    channel_backlog_max: Annotated[int, Field(ge=2, le=1_000_000)] = 10_000
    """Undelivered receipts after which a channel closes; it opens below half."""
    crosslink_gap_max: Annotated[int, Field(ge=1, le=2**32)] = 1_000_000
    """Shard blocks one crosslink may cover."""
    beacon_receipts_max: Annotated[int, Field(ge=1, le=4096)] = 64
    beacon_receipt_bytes_max: Annotated[int, Field(ge=1024, le=BLOCK_BYTES_MAX)] = 65_536

    @property
    def beacon(self) -> int:
        """Chain number of the beacon chain."""
        return self.shard_count

    @property
    def inbound_gas_max(self) -> int:
        """Gas that inbound receipts may use in one block."""
        return self.gas_limit * self.inbound_gas_share_percent // 100

    def chain_id(self, chain: int) -> int:
        """EIP-155 chain id of a chain number."""
        return self.chain_id_base + chain

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.receipt_gas_max > self.inbound_call_gas_max:
            raise ValueError("receipt_gas_max must not exceed inbound_call_gas_max: one call has to fit a block")
        if self.inbound_call_gas_max > self.inbound_gas_max:
            raise ValueError("inbound_call_gas_max must not exceed gas_limit x inbound_gas_share_percent / 100: calls are a part of it")
        if self.inbound_bytes_max > self.block_bytes_max:
            raise ValueError("inbound_bytes_max must not exceed block_bytes_max: inbound receipts are a part of the block")
        if self.developer_controls and not self.devnet:
            raise ValueError("developer_controls are for a network for development: set devnet, or leave them out")
        if self.idle_block_time_ms < self.block_time_ms:
            raise ValueError("idle_block_time_ms must not be below block_time_ms")
        return self
