"""The library's Prague state over our accounts, opened at a root for one block."""

from __future__ import annotations

from typing import Any, cast

from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.state import PragueState
from eth_typing import Address, BlockNumber, Hash32

from shard.engine.interface import ANCESTORS_MAX, BlockContext, Meter, NodeReader
from shard.engine.reference.accounts import Accounts
from shard.engine.reference.computation import InboundComputation, MeteredComputation, MeteredInboundComputation, ShardComputation


class ShardState(PragueState):
    """State of a block in the making."""

    def __init__(self, reader: NodeReader, context: BlockContext, chain_id: int, state_root: bytes) -> None:
        self.context = context
        self.use_accounts(Accounts(reader, state_root))
        self.use_meter(None)
        self.execution_context = ExecutionContext(
            coinbase=Address(context.coinbase),
            timestamp=context.timestamp,
            block_number=BlockNumber(context.number),
            difficulty=0,
            mix_hash=Hash32(context.reference.mix),
            gas_limit=context.gas_limit,
            prev_hashes=(),
            chain_id=chain_id,
            base_fee_per_gas=context.base_fee,
            excess_blob_gas=0,
        )

    def use_accounts(self, accounts: Accounts) -> None:
        """Has computations from here on work on `accounts`."""
        self.accounts = accounts
        # The library's own constructor builds its account database and rewrites the system contracts' code.
        self._account_db = cast(Any, accounts)

    def use_meter(self, meter: Meter | None) -> None:
        """Has computations from here on ask `meter`."""
        self.meter: Meter | None = meter
        self.computation_class = MeteredComputation if meter is not None else ShardComputation

    def use_inbound_prices(self, meter: Meter | None) -> None:
        """Has computations from here on, until `use_meter`, be calls from another shard, and ask `meter`."""
        self.meter = meter
        self.computation_class = MeteredInboundComputation if meter is not None else InboundComputation

    def get_ancestor_hash(self, block_number: int) -> Hash32:
        """Hash of one of the last blocks; empty when it is none of them."""
        if not max(0, self.context.number - ANCESTORS_MAX) <= block_number < self.context.number:
            return Hash32(b"")
        return Hash32(self.context.block_hash(block_number) or b"")

    def snapshot(self) -> Any:
        """A point to go back to."""
        return self.accounts.snapshot()

    def revert(self, snapshot: Any) -> None:
        """Undoes everything since `snapshot`."""
        self.accounts.revert(snapshot)

    def commit(self, snapshot: Any) -> None:
        """Nothing to do: what happened stays in the undo log of whatever lies around."""

    def get_transient_storage(self, address: Address, slot: int) -> bytes:
        """EIP-1153."""
        return self.accounts.get_transient_storage(address, slot)

    def set_transient_storage(self, address: Address, slot: int, value: bytes) -> None:
        """EIP-1153."""
        self.accounts.set_transient_storage(address, slot, value)

    def clear_transient_storage(self) -> None:
        """Nothing to do: it ends with `Accounts.end_transaction`."""
