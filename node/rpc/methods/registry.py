"""Which methods answer at which kind of address."""

from __future__ import annotations

from node.rpc.methods import (
    beacon,
    blocks,
    controls,
    crossing,
    debug,
    dev,
    execution,
    filters,
    general,
    network,
    otterscan,
    pool,
    proofs,
    receipt_proofs,
    simulate,
    state,
    subscriptions,
    traces,
    transactions,
)
from node.rpc.methods.context import Context, Method
from node.rpc.methods.signatures import describe
from primitives.parameters import Parameters

MODULE_VERSION = "1.0"


async def modules(context: Context, arguments: list[object]) -> object:
    """rpc_modules: the families of methods that answer at this address."""
    return {name.replace(".", "_").partition("_")[0]: MODULE_VERSION for name in sorted(_table(context))}


async def discover(context: Context, arguments: list[object]) -> object:
    """rpc.discover: this address's methods as an OpenRPC document."""
    return describe(_table(context), context.version)


def _table(context: Context) -> dict[str, Method]:
    parameters = context.backend.genesis.parameters
    return existing(EVERYWHERE if context.chain == parameters.beacon else SHARD, parameters)


def existing(table: dict[str, Method], parameters: Parameters) -> dict[str, Method]:
    """Of a table, the methods that there are on a network."""
    return table if parameters.devnet else {name: method for name, method in table.items() if name not in DEVELOPMENT}


EVERYWHERE: dict[str, Method] = (
    {"rpc_modules": Method(modules), "rpc.discover": Method(discover)}
    | general.METHODS | network.METHODS | crossing.METHODS | receipt_proofs.METHODS | beacon.METHODS
    | dev.METHODS | controls.EVERYWHERE | subscriptions.EVERYWHERE
)
"""At every address, the beacon chain's too."""
SHARD: dict[str, Method] = (
    EVERYWHERE | state.METHODS | blocks.METHODS | transactions.METHODS | execution.METHODS | pool.METHODS | debug.METHODS
    | otterscan.METHODS | simulate.METHODS | proofs.METHODS | traces.METHODS | filters.METHODS | subscriptions.SHARD
    | controls.SHARD
)
"""At the address of a shard."""
DEVELOPMENT = frozenset({*dev.METHODS, *controls.METHODS})
"""Of those, what there is on a network for development only."""
SLOW = frozenset({
    "debug_traceBlockByHash", "debug_traceBlockByNumber", "debug_traceCall", "debug_traceTransaction", "eth_call", "eth_createAccessList",
    "eth_estimateGas", "eth_feeHistory", "eth_getLogs", "eth_getProof",
    "eth_simulateV1", "ots_getContractCreator", "ots_getInternalOperations", "ots_getTransactionBySenderAndNonce",
    "ots_getTransactionError", "ots_searchTransactionsAfter", "ots_searchTransactionsBefore", "ots_traceTransaction",
})  # fmt: skip
"""Methods that may take a peer long; one that did not answer in time is the last that works on them."""
HEAVY = SLOW | {
    "beacon_getBlock", "beacon_getCrosslinks", "beacon_getEvidence", "eth_getFilterLogs", "shard_getAccountsPage", "txpool_content",
    "txpool_inspect",
}  # fmt: skip
"""Methods that cost a node far more than others do (`limits.HEAVY_CALL_COST`)."""
