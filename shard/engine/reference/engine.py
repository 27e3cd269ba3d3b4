"""The reference engine: the library's Prague EVM, over our accounts."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from primitives.blocks import ChannelTerms
from primitives.genesis import GenesisAccount
from primitives.hashing import keccak256
from primitives.headers import EMPTY_TRIE_ROOT
from primitives.parameters import Parameters
from primitives.receipts import CrossShardReceipt, Summary
from shard import system
from shard.engine.interface import AccountState, BlockContext, GenesisState, Meter, NodeReader, SimulateBlock, SimulatedResult
from shard.engine.proofs import prove
from shard.engine.reference.accesses import Accesses, SimulatedAccounts
from shard.engine.reference.accounts import EMPTY_CODE_HASH, Accounts, decode_account, is_delegation
from shard.engine.reference.block import ReferenceBlock
from shard.engine.reference.calls import simulate, simulate_accesses
from shard.engine.reference.state import ShardState
from shard.engine.reference.tracing.replay import trace_items, trace_request
from shard.engine.reference.tracing.simulate import Options, simulate_block
from shard.engine.reference.tracing.state import TracedState
from shard.engine.reference.tracing.tracer import Budget
from shard.engine.trie import MissingNodeError, Trie
from shard.operations import developer_account
from shard.simulations import BlockToSimulate
from shard.transactions import Transaction
from shard.views import AccessOutcome, AccountProof, CallOutcome, CallRequest, SlotProof, TraceConfig, big


class ReferenceEngine:
    """Implements `shard.engine.interface.Engine`."""

    def __init__(self, parameters: Parameters, shard: int, reader: NodeReader) -> None:
        """An engine of chain `shard` that reads state from `reader`."""
        self._parameters = parameters
        self._shard = shard
        self._reader = reader

    def genesis(self, accounts: Sequence[GenesisAccount]) -> GenesisState:
        """See `Engine.genesis`.

        Raises:
            AssertionError: an account lies at the address of a system contract.
        """
        state = Accounts(self._reader, EMPTY_TRIE_ROOT)
        ours = [account for account in accounts if account.shards is None or self._shard in account.shards]
        for account in (*ours, *system.genesis_contracts(self._parameters, self._shard), *developer_account(self._parameters)):
            assert not state.account_exists(account.address), f"genesis account 0x{account.address.hex()} is a system contract"
            state.set_balance(account.address, account.balance)
            state.set_nonce(account.address, account.nonce)
            if account.code:
                state.set_code(account.address, account.code)
            for slot, word in account.storage.items():
                state.set_storage(account.address, slot, word)
            if state.account_is_empty(account.address):
                state.delete_account(account.address)
        supply = state.balance_change()
        writes: dict[bytes, bytes] = {}
        return GenesisState(state.commit(writes), supply, writes)

    def begin(self, parent_state_root: bytes, context: BlockContext) -> ReferenceBlock:
        """See `Engine.begin`."""
        return ReferenceBlock(self._state(parent_state_root, context), self._parameters, self._shard)

    def call(self, state_root: bytes, context: BlockContext, request: CallRequest, meter: Meter | None = None) -> CallOutcome:
        """See `Engine.call`."""
        state = self._state(state_root, context)
        state.use_accounts(SimulatedAccounts(self._reader, state_root))
        return simulate(state, request, meter)

    def access_list(self, state_root: bytes, context: BlockContext, request: CallRequest, meter: Meter | None = None) -> AccessOutcome:
        """See `Engine.access_list`."""
        state, accesses = self._state(state_root, context), Accesses(self._reader, state_root)
        state.use_accounts(accesses)
        return simulate_accesses(state, accesses, request, meter)

    def simulation(self, validation: bool, transfers: bool, meter: Meter) -> SimulateBlock:
        """See `Engine.simulation`."""
        reader, options, budget = _Overlay(self._reader), Options(validation, transfers, self._parameters.gas_limit), Budget()
        chain_id = self._parameters.chain_id(self._shard)

        def run(state_root: bytes, context: BlockContext, block: BlockToSimulate) -> SimulatedResult:
            state = TracedState(reader, context, chain_id, state_root, meter)
            return simulate_block(state, block, options, budget, reader.writes, meter)

        return run

    def trace_call(self, state_root: bytes, context: BlockContext, request: CallRequest, config: TraceConfig, meter: Meter) -> bytes:
        """See `Engine.trace_call`."""
        return trace_request(self._traced(state_root, context, meter), request, config, meter)

    def trace_block(
        self,
        parent_state_root: bytes,
        context: BlockContext,
        items: Sequence[CrossShardReceipt | tuple[Transaction, bytes]],
        wanted: Container[int],
        config: TraceConfig,
        meter: Meter,
    ) -> tuple[bytes, ...]:
        """See `Engine.trace_block`."""
        state = self._traced(parent_state_root, context, meter)
        block = ReferenceBlock(state, self._parameters, self._shard)
        return tuple(trace_items(block, state, items, wanted, config, meter))

    def _traced(self, state_root: bytes, context: BlockContext, meter: Meter) -> TracedState:
        return TracedState(self._reader, context, self._parameters.chain_id(self._shard), state_root, meter)

    def terms(self, state_root: bytes) -> tuple[ChannelTerms, ...]:
        """See `Engine.terms`."""
        return system.read_terms(Accounts(self._reader, state_root).get_storage, self._parameters.shard_count)

    def account(self, state_root: bytes, address: bytes) -> AccountState:
        """See `Engine.account`."""
        return Accounts(self._reader, state_root).state_of(address)

    def code(self, state_root: bytes, address: bytes) -> bytes:
        """See `Engine.code`."""
        return Accounts(self._reader, state_root).get_code(address)

    def storage(self, state_root: bytes, address: bytes, slot: int) -> int:
        """See `Engine.storage`."""
        return Accounts(self._reader, state_root).get_storage(address, slot)

    def proof(self, state_root: bytes, address: bytes, slots: Sequence[int], meter: Meter) -> AccountProof:
        """See `Engine.proof`."""
        accounts, read = Accounts(self._reader, state_root), self._reader.get
        account = accounts.state_of(address)
        proven = []
        for slot in slots:
            meter()
            nodes = prove(read, account.storage_root, keccak256(slot.to_bytes(32, "big")))
            proven.append(SlotProof(big(accounts.get_storage(address, slot)), nodes))
        return AccountProof(
            account.nonce, big(account.balance), account.code_hash, account.storage_root,
            prove(read, state_root, keccak256(address)), tuple(proven),
        )  # fmt: skip

    def summary(self, state_root: bytes) -> Summary:
        """See `Engine.summary`."""
        return system.read_summary(Accounts(self._reader, state_root).get_storage, self._parameters.shard_count)

    def take_forgotten(self) -> int:
        """See `Engine.take_forgotten`."""
        return 0

    def iterate_accounts(self, state_root: bytes, after: bytes = b"") -> Iterator[tuple[bytes, AccountState]]:
        """See `Engine.iterate_accounts`."""
        for key, encoded in Trie(self._reader.get, state_root).items(after):
            account = decode_account(encoded)
            has_code = account.code_hash != EMPTY_CODE_HASH and not is_delegation(self._stored_code(account.code_hash))
            yield key, AccountState(account.nonce, account.balance, account.code_hash, account.storage_root, has_code)

    def _stored_code(self, code_hash: bytes) -> bytes:
        code = self._reader.get(code_hash)
        if code is None:
            raise MissingNodeError(f"code {code_hash.hex()} is not stored")
        return code

    def _state(self, root: bytes, context: BlockContext) -> ShardState:
        return ShardState(self._reader, context, self._parameters.chain_id(self._shard), root)


class _Overlay:
    """State that is stored, and what simulated blocks wrote on top of it."""

    def __init__(self, reader: NodeReader) -> None:
        self._reader = reader
        self.writes: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """See `NodeReader`."""
        found = self.writes.get(key)
        return self._reader.get(key) if found is None else found
