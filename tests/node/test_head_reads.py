"""What is read of the final head while that moves: never taken at another one, by admission, by the pending nonce, by the core.

The chains are real, of one node with automine in simulated time, which passes while an account is being read.
"""

from types import SimpleNamespace

import pytest
import trio
import trio.testing

from node.admission import Admission
from node.core import effects as fx
from node.core.core import AccountAt
from node.head_reads import HEAD_READS_MAX, read_at_head
from node.shard_reads import ShardReads
from node.simulator.workload import sign
from primitives.errors import Busy, ExecutorLost, InvalidTransaction, TransactionReason
from primitives.headers import ShardHeader
from primitives.parameters import Parameters
from shard.pool import Pool, PoolLimits
from shard.transactions import decode_transaction
from shard.views import AccountView, big
from tests.simulation.cluster import Cluster

PARAMETERS = Parameters(shard_count=1, developer_controls=True)
TO = b"\xe1" * 20


class Site:
    """A node that has its network alone; each time an account is read, the next of `meanwhile` happens before the answer is here."""

    def __init__(self):
        self.cluster = Cluster(1, executors="reference", parameters=PARAMETERS)
        self.node, self.world = self.cluster.node(0), self.cluster.world
        self.user, self.other = self.world.users[:2]
        self.meanwhile, self.limits, self.returned, self.reads = [], [], [], 0
        self.node.receive(fx.SetAutomine(True))
        self.cluster.run_until_finalized(1)
        self.admission = Admission(
            self.node.core, {0: self}, self.node._clocks, self.perform, self.observe, lambda peer, reason: None, lambda *pooled: None
        )
        self.rpc = ShardReads(self.chain, self, self.admission.submit)

    # the executor's part

    async def account(self, root, address):
        self.reads += 1
        executor = self.node.executors[0]
        result = executor.result(root)
        account = None if result is None else executor.engine.account(ShardHeader.decode(result.header).state_root, address)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return None if account is None else AccountView(account.nonce, big(account.balance), account.code_hash, account.has_contract_code)

    # the daemon's part

    def perform(self, effects):
        self.node._take_turn(lambda: effects)

    def observe(self, name, labels, value):
        self.limits.append(labels["limit"])

    # what happens

    @property
    def chain(self):
        return self.node.core.shards[0]

    @property
    def pool(self):
        return self.chain.pool

    @property
    def height(self):
        return self.chain.tree.head.info.height

    def raw(self, nonce, user=None):
        return sign(user or self.user, PARAMETERS, 0, TO, 1, b"", nonce)

    async def send(self, nonce, user=None):
        """With the account read, as it is for the first transaction after each block."""
        self.admission._accounts.clear()
        return await self.admission.submit(0, self.raw(nonce, user))

    def other_wallet_sends(self, *nonces):
        """Another wallet of the same user's, whose transactions are in the pool when this ends."""
        for nonce in nonces:
            self.node.submit(0, self.raw(nonce), is_local=True)
        assert self.world.run_until(lambda: all(self.pool.get(decode_transaction(self.raw(n)).hash) for n in nonces), 1_000)

    def until_final(self, nonce=None):
        """Until the user's transaction of a nonce is final, and nothing waits any more; or one more block is."""
        if nonce is None:
            self.node.receive(fx.Mine(0, self.height + 1, 1))
            wanted = self.height + 1
            assert self.world.run_until(lambda: self.height >= wanted, 60_000)
        else:
            assert self.world.run_until(lambda: self.final_nonce() > nonce, 60_000)

    def final_nonce(self):
        return self.node.executors[0].account(self.user.address, self.chain.tree.head.info.root)[0]

    def go_back(self):
        """The newest final block is void, as after a forced close; transactions that return to be admitted."""
        executor, core = self.node.executors[0], self.node.core
        executor.finalized_number, root = 0, executor.canonical(self.height - 1)
        (gone,) = executor.truncate(root)
        accounts = {sender: executor.account(sender, root) for sender in gone.senders}
        raws = tuple(raw for raw, _ in executor.user_transactions(gone.hash))
        effects = core.handle(fx.ShardTruncated(0, root, executor.result(root), accounts, raws), self.node._clocks())
        self.returned = [raw for effect in effects if isinstance(effect, fx.Admit) for raw in effect.transactions]


@pytest.fixture
def site():
    return Site()


async def test_what_becomes_final_while_the_next_is_admitted_stays_used(site):
    await site.send(0)
    site.meanwhile = [lambda: site.until_final(0)]
    await site.send(1)
    assert (site.pool.counts(), site.pool.pending_nonce(site.user.address, 1)) == ((1, 0), 2)
    assert [held.transaction.nonce for held in site.pool.candidates(0, 10**9, 9)] == [1]
    assert await site.rpc.pending_nonce(site.user.address) == 2
    site.until_final(1)
    assert site.pool.counts() == (0, 0)


@pytest.mark.parametrize("when", range(3))
async def test_one_sender_after_another_transaction_never_sees_its_nonce_go_back(site, when):
    """A block becomes final before, within or after the question for the next nonce, or while the transaction is admitted."""
    for nonce in range(4):
        if when == 0 and nonce:
            site.until_final(nonce - 1)
        if when == 1 and nonce:
            site.meanwhile = [lambda nonce=nonce: site.until_final(nonce - 1)]
        assert await site.rpc.pending_nonce(site.user.address) == nonce
        if when == 2 and nonce:
            site.meanwhile = [lambda nonce=nonce: site.until_final(nonce - 1)]
        await site.send(nonce)
        assert site.meanwhile == []
        assert await site.rpc.pending_nonce(site.user.address) == nonce + 1


async def test_the_pending_nonce_is_of_one_moment(site):
    site.meanwhile = [lambda: site.other_wallet_sends(0, 1)]
    assert await site.rpc.pending_nonce(site.user.address) == 2
    site.meanwhile = [lambda: site.until_final(1), lambda: site.other_wallet_sends(2)]
    assert await site.rpc.pending_nonce(site.user.address) == 3


async def test_what_was_used_meanwhile_is_refused(site):
    site.meanwhile = [lambda: (site.other_wallet_sends(0), site.until_final(0))]
    with pytest.raises(InvalidTransaction) as caught:
        await site.send(0)
    assert caught.value.reason is TransactionReason.NONCE_TOO_LOW
    assert await site.rpc.pending_nonce(site.user.address) == 1


async def test_the_nonce_goes_back_with_the_past_and_only_then(site):
    for nonce in range(2):
        await site.send(nonce)
        site.until_final(nonce)
    assert await site.rpc.pending_nonce(site.user.address) == 2
    site.meanwhile = [site.go_back]
    await site.send(2)
    assert (site.final_nonce(), site.pool.counts()) == (1, (0, 1))
    assert await site.rpc.pending_nonce(site.user.address) == 1
    assert site.returned == [site.raw(1)]
    site.meanwhile = [site.go_back]
    assert await site.rpc.pending_nonce(site.user.address) == 0


async def test_a_head_that_never_rests_is_busy_and_leaves_the_pool_alone(site):
    site.meanwhile = [site.until_final] * HEAD_READS_MAX
    with pytest.raises(Busy) as caught:
        await site.send(0)
    assert (caught.value.limit, site.reads, len(site.pool)) == ("head_reads_max", HEAD_READS_MAX, 0)
    site.meanwhile = [site.until_final] * HEAD_READS_MAX
    with pytest.raises(Busy, match="busy: the shard's newest block changes faster"):
        await site.rpc.pending_nonce(site.user.address)
    site.meanwhile = [site.until_final] * (HEAD_READS_MAX - 1)
    await site.send(0)
    assert site.pool.counts() == (1, 0)


async def test_gossip_goes_the_same_way_and_what_finds_no_rest_is_counted(site, nursery):
    def gone():
        raise ExecutorLost("the executor of shard 0 ended")

    await site.send(0)
    site.admission._accounts.clear()
    site.meanwhile = [lambda: site.until_final(0), lambda: None, *[site.until_final] * HEAD_READS_MAX, gone]
    first, second = site.raw(0, site.other), site.raw(1, site.other)
    site.admission.enqueue(fx.Admit(0, None, (site.raw(1), first, second, second)))
    nursery.start_soon(site.admission.run, 0)
    await trio.testing.wait_all_tasks_blocked()
    assert site.limits == ["head_reads_max", "executor_unavailable"]
    assert (site.final_nonce(), site.pool.counts()) == (2, (0, 1))
    assert await site.rpc.pending_nonce(site.other.address) == 0


async def test_accounts_of_one_head_are_read_once(site):
    for nonce in range(3):
        await site.admission.submit(0, site.raw(nonce))
    assert site.reads == 1


async def test_the_core_takes_no_account_of_another_head(site):
    transaction, old = decode_transaction(site.raw(0)), site.chain.tree.head.info.root
    site.until_final()
    with pytest.raises(AssertionError, match="at the head it was read at"):
        site.node.core.submit(0, transaction, site.user.address, AccountAt(old, 0, 10**20), site.node._clocks(), is_local=True)
    assert len(site.pool) == 0


def standing_at(root):
    return SimpleNamespace(tree=SimpleNamespace(head=SimpleNamespace(info=SimpleNamespace(root=root))), pool=Pool(PoolLimits()))


async def test_a_chain_made_anew_is_asked_anew():
    """Going back to a snapshot puts another chain in place, and the executor may know nothing of the one before."""
    now, asked = standing_at(b"old"), []

    async def read(root):
        nonlocal now
        asked.append(root)
        now = standing_at(b"new")
        return None if root == b"old" else 7

    assert await read_at_head(lambda: now, read) == (b"new", 7)
    assert asked == [b"old", b"new"]
