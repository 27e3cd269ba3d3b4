"""dev_faucet: real transactions, bounded, and absent where the network is no devnet."""

import pytest
import trio
from eth_account import Account
from trio.testing import MockClock

from node.cluster.accounts import COIN, FAUCET_ACCOUNT
from node.rpc.backend import PooledTransaction, PoolView
from node.rpc.limits import FAUCET_GRANTS_MAX, FAUCET_GRANTS_PER_ADDRESS_MAX, FAUCET_NONCE_TRIES_MAX, FAUCET_WINDOW_SECONDS
from primitives.errors import InvalidTransaction, TransactionReason
from shard.pool import Pool, PoolLimits
from shard.transactions import decode_transaction, recover_sender
from shard.views import AccountView, big
from tests.node.rpc.fake import BASE_FEE, CHAIN_ID, CONTRACT, Client, FakeNode

WHO = "0x" + "ab" * 20
FAUCET = bytes.fromhex(FAUCET_ACCOUNT.address[2:])


def make_client() -> Client:
    """A node whose faucet account has coins, and whose pool counts nonces."""
    client = Client()
    for shard in client.node.shards:
        _fund(shard)
    return client


def _fund(shard, coins=1_000_000):
    ordinary, submit = shard.account, shard.submit

    async def account(address, selector):
        known = await ordinary(address, selector)
        return AccountView(0, big(coins * COIN), bytes(32)) if address == FAUCET else known

    async def pending_nonce(address):
        await trio.lowlevel.checkpoint()
        return len(shard.submitted)

    async def slow_submit(raw):
        await trio.lowlevel.checkpoint()
        return await submit(raw)

    shard.account, shard.pending_nonce, shard.submit = account, pending_nonce, slow_submit


async def test_a_grant_is_a_signed_transfer_in_the_pool():
    client = make_client()
    answer = await client.result("dev_faucet", WHO, "0x1")
    (raw,) = client.node.shards[1].submitted
    transaction = decode_transaction(raw)
    assert recover_sender(transaction) == FAUCET
    assert (transaction.chain_id, transaction.nonce, transaction.gas_limit) == (CHAIN_ID + 1, 0, 21_000)
    assert transaction.to == bytes.fromhex(WHO[2:])
    assert transaction.value == 100 * COIN
    assert transaction.max_fee_per_gas > BASE_FEE
    assert answer == {
        "shard": "0x1", "address": WHO, "amount": hex(100 * COIN), "transactionHash": "0x" + transaction.hash.hex(), "nonce": "0x0",
    }  # fmt: skip


async def test_the_shard_is_the_address_unless_it_is_named():
    client = make_client()
    await client.result("dev_faucet", WHO, path="/shard/1")
    assert [len(shard.submitted) for shard in client.node.shards] == [0, 1]
    code, message = await client.error("dev_faucet", WHO, path="/beacon")
    assert (code, "name a shard" in message) == (-32602, True)
    await client.result("dev_faucet", WHO, "0x0", path="/beacon")
    assert [len(shard.submitted) for shard in client.node.shards] == [1, 1]


async def test_a_contract_gets_gas_to_take_it():
    client = make_client()
    await client.result("dev_faucet", "0x" + CONTRACT.hex())
    assert decode_transaction(client.shard.submitted[0]).gas_limit == 100_000


async def test_grants_at_the_same_time_have_nonces_of_their_own():
    client = make_client()
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(client.result, "dev_faucet", WHO)
    assert sorted(decode_transaction(raw).nonce for raw in client.shard.submitted) == [0, 1, 2, 3, 4]


async def test_a_nonce_taken_by_somebody_else_is_not_the_end():
    client = make_client()
    submit, refusals = client.shard.submit, [TransactionReason.REPLACEMENT_UNDERPRICED, TransactionReason.NONCE_TOO_LOW]

    async def contested(raw):
        if refusals:
            raise InvalidTransaction(refusals.pop())
        return await submit(raw)

    client.shard.submit = contested
    await client.result("dev_faucet", WHO)
    assert len(client.shard.submitted) == 1
    refusals += [TransactionReason.NONCE_TOO_LOW] * FAUCET_NONCE_TRIES_MAX
    assert (await client.error("dev_faucet", WHO))[1].startswith("nonce too low")
    assert not refusals


def foreign(nonce: int, max_fee: int, tip: int = 0) -> PooledTransaction:
    """What anybody can send from the account."""
    fields = {"nonce": nonce, "gas": 21_000, "value": 1, "to": "0x" + "22" * 20, "chainId": CHAIN_ID}
    fields |= {"maxFeePerGas": max_fee, "maxPriorityFeePerGas": tip}
    return PooledTransaction(bytes(Account.from_key(FAUCET_ACCOUNT.key).sign_transaction(fields).raw_transaction), FAUCET)


async def test_what_waits_for_a_fee_it_does_not_offer_is_replaced():
    client = make_client()
    base_fee = client.shard.heads().next_base_fee
    waiting = {4: foreign(4, base_fee), 5: foreign(5, base_fee - 1, base_fee - 1), 6: foreign(6, 1)}
    client.shard.pool_content = lambda sender: PoolView({FAUCET: waiting} if sender == FAUCET else {}, {})
    assert (await client.result("dev_faucet", WHO))["nonce"] == "0x5"
    replaced, sent = decode_transaction(waiting[5].raw), decode_transaction(client.shard.submitted[-1])
    assert (sent.nonce, sent.value) == (5, 100 * COIN)
    assert sent.max_fee_per_gas > 2 * base_fee
    assert sent.max_priority_fee_per_gas * 100 >= replaced.max_priority_fee_per_gas * 110
    waiting[5] = PooledTransaction(client.shard.submitted[-1], FAUCET)
    assert (await client.result("dev_faucet", WHO))["nonce"] == "0x6"
    waiting[6] = PooledTransaction(client.shard.submitted[-1], FAUCET)
    await client.result("dev_faucet", WHO)
    assert decode_transaction(client.shard.submitted[-1]).nonce == len(client.shard.submitted) - 1, "the pending nonce"


async def test_what_replaces_it_is_what_the_pool_asks_for():
    client, pool = make_client(), Pool(PoolLimits())
    base_fee = client.shard.heads().next_base_fee
    stuck = decode_transaction(foreign(0, base_fee - 1, base_fee - 1).raw)
    pool.add(stuck, FAUCET, 0, 10**30, 0)
    client.shard.pool_content = lambda sender: PoolView({FAUCET: {0: PooledTransaction(stuck.raw, FAUCET)}}, {})
    await client.result("dev_faucet", WHO)
    grant = decode_transaction(client.shard.submitted[-1])
    assert pool.add(grant, FAUCET, 0, 10**30, 0).replaced == stuck.hash
    assert [pooled.hash for pooled in pool.candidates(base_fee, 30_000_000, 10)] == [grant.hash]


async def test_a_grant_whose_asker_has_gone_counts():
    client = make_client()
    for _ in range(FAUCET_GRANTS_PER_ADDRESS_MAX):
        submitted = len(client.shard.submitted)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.result, "dev_faucet", WHO)
            while len(client.shard.submitted) == submitted:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert (await client.error("dev_faucet", WHO))[0] == -32005


async def test_what_was_refused_does_not_count():
    client = make_client()
    _fund(client.node.shards[1], coins=99)
    for _ in range(FAUCET_GRANTS_PER_ADDRESS_MAX + 1):
        code, message = await client.error("dev_faucet", WHO, "0x1")
        assert (code, "the faucet is empty on this shard" in message) == (-32000, True)
    await client.result("dev_faucet", WHO, "0x0")


@pytest.mark.parametrize(
    ("limit", "most", "address"),
    [
        ("faucet_grants_per_address_max", FAUCET_GRANTS_PER_ADDRESS_MAX, lambda i: WHO),
        ("faucet_grants_max", FAUCET_GRANTS_MAX, lambda i: f"0x{i:040x}"),
    ],
)
async def test_limits_hold_over_a_window_and_are_counted(limit, most, address, autojump_clock: MockClock):
    client = make_client()
    for i in range(most):
        await client.result("dev_faucet", address(i), hex(i % 2))
    code, message = await client.error("dev_faucet", address(most))
    assert (code, "try again later" in message) == (-32005, True)
    assert client.observer.limits == [limit]
    await trio.sleep(FAUCET_WINDOW_SECONDS)
    await client.result("dev_faucet", address(most))


async def test_wrong_arguments_are_told():
    client = make_client()
    assert (await client.error("dev_faucet"))[0] == -32602
    assert (await client.error("dev_faucet", "0x12"))[0] == -32602
    assert "this network has shards 0 to 1" in (await client.error("dev_faucet", WHO, "0x2"))[1]
    client.node.shards[1] = None
    assert "shard 1 is not hosted by this node" in (await client.error("dev_faucet", WHO, "0x1"))[1]


async def test_a_network_that_is_no_devnet_has_no_such_method():
    node = FakeNode()
    parameters = node.genesis.parameters.model_copy(update={"devnet": False})
    node.genesis = node.genesis.model_copy(update={"parameters": parameters})
    client = Client(node=node)
    assert await client.error("dev_faucet", WHO) == (-32601, "the method dev_faucet does not exist/is not available")
    assert not client.shard.submitted
