"""A node in memory that answers with real structures, and a client that speaks ASGI to the application."""

import json
from dataclasses import dataclass, field

import trio
from eth_account import Account

from node.rpc.app import Application
from node.rpc.backend import BeaconHead, BlockRef, Crossing, CrosslinkView, Heads, PoolCounts, PooledTransaction, PoolView, SupplyTerms
from node.rpc.beacon_backend import BeaconBlockView, ChannelView, CommitteesView, CommitteeView, ValidatorView
from primitives.blocks import BLOCK_VERSION, BeaconBlock, Crosslink, Evidence, ExtraData
from primitives.errors import InvalidQuery, QueryReason
from primitives.genesis import Genesis, GenesisValidator
from primitives.headers import EMPTY_TRIE_ROOT, EMPTY_UNCLES_HASH, ShardHeader
from primitives.parameters import Parameters
from primitives.receipts import CrossShardReceipt
from primitives.votes import EMPTY_SIGNATURE, Certificate, Instance, Vote, VoteKind
from shard.transactions import decode_transaction
from shard.views import (
    AccessOutcome,
    AccountView,
    BalancePage,
    BlockView,
    CallOutcome,
    Estimate,
    FeeHistoryBlock,
    LogView,
    OutgoingReceipt,
    ReceiptView,
    TransactionView,
    big,
)
from tests.node.rpc.explored import Explored
from tests.node.rpc.fake_connection import FakeConnection
from tests.node.rpc.fake_controls import FakeControls

CHAIN_ID = 735_700
KEY = Account.from_key(b"\x11" * 32)
ALICE = bytes.fromhex(KEY.address[2:])
CONTRACT = b"\xc0" * 20
TOPIC = b"\x07" * 32
BASE_FEE = 1_000_000_000
GENESIS_TIME = 1_700_000_000
GENESIS = Genesis(
    parameters=Parameters(),
    timestamp=GENESIS_TIME,
    seed=bytes(32),
    validators=(GenesisValidator(public_key=b"\x01" * 48, proof_of_possession=b"\x02" * 96, stake=1, fee_address=b"\x03" * 20),),
)
RECEIPT = CrossShardReceipt(1, 0, 4, 0, b"\xaa" * 20, b"\xbb" * 20, 1000, 0, 5, b"\xaa" * 20, b"")
RECEIPT_ID = RECEIPT.identity(CHAIN_ID)


def sign(**fields) -> bytes:
    filled = {"nonce": 0, "gas": 21_000, "value": 7, "to": "0x" + "22" * 20, "chainId": CHAIN_ID, "data": "0x", **fields}
    return bytes(KEY.sign_transaction({k: v for k, v in filled.items() if v is not None}).raw_transaction)


DYNAMIC = {"maxFeePerGas": 3 * BASE_FEE, "maxPriorityFeePerGas": BASE_FEE}
ACCESS = [{"address": "0x" + "33" * 20, "storageKeys": ["0x" + "44" * 32]}]


def authorization() -> dict:
    return KEY.sign_authorization({"chainId": CHAIN_ID, "address": "0x" + "55" * 20, "nonce": 1})


SIGNED = {
    "legacy": sign(gasPrice=2 * BASE_FEE),
    "access list": sign(nonce=1, gasPrice=2 * BASE_FEE, type=1, accessList=ACCESS, gas=50_000),
    "dynamic fee": sign(nonce=2, accessList=ACCESS, gas=50_000, **DYNAMIC),
    "set code": sign(nonce=3, gas=100_000, authorizationList=[authorization()], **DYNAMIC),
    "creation": sign(nonce=4, gas=100_000, to=None, data="0x6000", **DYNAMIC),
}
POOLED = sign(nonce=5, **DYNAMIC)


def header(number: int, gas_used: int = 0) -> ShardHeader:
    return ShardHeader(
        parent_hash=bytes([number]) * 32, uncles_hash=EMPTY_UNCLES_HASH, coinbase=b"\x03" * 20, state_root=EMPTY_TRIE_ROOT,
        transactions_root=EMPTY_TRIE_ROOT, receipts_root=EMPTY_TRIE_ROOT, logs_bloom=bytes(256), difficulty=0, number=number,
        gas_limit=30_000_000, gas_used=gas_used, timestamp=GENESIS_TIME + number, extra_data=ExtraData(1, 0, number, 0, 0).encode(),
        prev_randao=bytes(32), nonce=bytes(8), base_fee_per_gas=BASE_FEE, withdrawals_root=EMPTY_TRIE_ROOT, blob_gas_used=0,
        excess_blob_gas=0, parent_beacon_block_root=b"\x09" * 32, requests_hash=b"\x08" * 32,
    )  # fmt: skip


class FakeShard(Explored):
    """Ten blocks; block 5 holds one delivered receipt and a transaction of each type. `raises` is raised by every question."""

    def __init__(self) -> None:
        self.blocks: list[BlockView] = []
        self.receipts: dict[bytes, ReceiptView] = {}
        self.raises: Exception | None = None
        self.outcome = CallOutcome(True, b"\x2a", 21_000, "")
        self.estimate = Estimate(21_000, None)
        self.submitted: list[bytes] = []
        self.asked: list[object] = []
        self.gate: trio.Event | None = None
        self.waiting = trio.Event()
        """Set once a question waits at the gate."""
        self.pool = PoolCounts(3, 1)
        self.word = bytes(31) + b"\x38"
        self.outgoing: dict[bytes, OutgoingReceipt] = {}
        self.pooled = {decode_transaction(POOLED).hash: PooledTransaction(POOLED, ALICE)}
        for number in range(11):
            view = header(number, 500_000 if number == 5 else 0)
            self.blocks.append(BlockView(view.hash(), view.encode(), 700, self._transactions(view) if number == 5 else ()))
        for transaction in self.blocks[5].transactions:
            self.receipts[transaction.hash] = self._receipt(transaction)

    @staticmethod
    def _transactions(block: ShardHeader) -> tuple[TransactionView, ...]:
        place, rest = (block.number, block.hash()), (big(BASE_FEE), block.timestamp)
        delivered = TransactionView(RECEIPT_ID, RECEIPT.transaction_bytes(CHAIN_ID), RECEIPT.sender, *place, 0, *rest)
        users = [TransactionView(decode_transaction(raw).hash, raw, ALICE, *place, i, *rest) for i, raw in enumerate(SIGNED.values(), 1)]
        return (delivered, *users)

    @staticmethod
    def _receipt(transaction: TransactionView) -> ReceiptView:
        place = (transaction.block_number, transaction.block_hash, transaction.hash, transaction.index, 0, transaction.timestamp)
        log = LogView(CONTRACT, (TOPIC,), b"\x01", *place)
        creates = transaction.raw == SIGNED["creation"]
        to = None if creates else b"\x22" * 20
        return ReceiptView(transaction, 1, 21_000, 42_000, big(BASE_FEE), bytes(256), (log,), to, CONTRACT if creates else None)

    def heads(self) -> Heads:
        refs = [BlockRef(n, self.blocks[n].hash) for n in (10, 10, 8)]
        return Heads(*refs, BASE_FEE, BASE_FEE + 5)

    async def _ask(self, question: object = None) -> None:
        self.asked.append(question)
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        if self.raises is not None:
            raise self.raises

    def _find(self, selector) -> BlockView | None:
        if isinstance(selector, bytes):
            return next((b for b in self.blocks if b.hash == selector), None)
        if isinstance(selector, str):
            selector = {"latest": 10, "safe": 10, "finalized": 8, "earliest": 0}[selector]
        return self.blocks[selector] if selector < len(self.blocks) else None

    async def block(self, selector) -> BlockView | None:
        await self._ask(selector)
        return self._find(selector)

    async def header(self, selector) -> ShardHeader | None:
        await self._ask(selector)
        found = self._find(selector)
        return None if found is None else ShardHeader.decode(found.header)

    async def transaction(self, hash) -> TransactionView | None:
        await self._ask()
        return self.receipts[hash].transaction if hash in self.receipts else None

    async def pooled_transaction(self, hash) -> PooledTransaction | None:
        return self.pooled.get(hash)

    async def receipt(self, hash) -> ReceiptView | None:
        await self._ask()
        return self.receipts.get(hash)

    async def transaction_at(self, selector, index) -> TransactionView | None:
        await self._ask((selector, index))
        block = self._find(selector)
        return block.transactions[index] if block is not None and index < len(block.transactions) else None

    async def block_receipts(self, selector) -> tuple[ReceiptView, ...] | None:
        await self._ask(selector)
        block = self._find(selector)
        return None if block is None else tuple(self.receipts[t.hash] for t in block.transactions)

    async def logs(self, wanted) -> tuple[LogView, ...]:
        await self._ask(wanted)
        if isinstance(wanted.last, int) and wanted.last > 10:
            raise InvalidQuery(QueryReason.BEYOND_HEAD, "block range extends beyond current head block")
        return tuple(log for receipt in self.receipts.values() for log in receipt.logs)

    async def account(self, address, selector) -> AccountView | None:
        await self._ask(selector)
        if self._find(selector) is None:
            return None
        return AccountView(6, big(10**18), bytes(32)) if address == ALICE else AccountView(0, b"", bytes(32))

    async def code(self, address, selector) -> bytes | None:
        await self._ask(selector)
        return None if self._find(selector) is None else b"\x60\x00" if address == CONTRACT else b""

    async def storage(self, address, slot, selector) -> bytes | None:
        await self._ask(slot)
        return None if self._find(selector) is None else self.word

    async def call(self, request, selector) -> CallOutcome | None:
        await self._ask(request)
        return None if self._find(selector) is None else self.outcome

    async def create_access_list(self, request, selector) -> AccessOutcome | None:
        await self._ask(request)
        return None if self._find(selector) is None else AccessOutcome(((CONTRACT, (bytes(32),)),), self.outcome)

    async def estimate_gas(self, request, selector) -> Estimate | None:
        await self._ask(request)
        return None if self._find(selector) is None else self.estimate

    async def fee_history(self, count, newest, percentiles) -> tuple[FeeHistoryBlock, ...]:
        await self._ask()
        return tuple(
            FeeHistoryBlock(n, big(BASE_FEE), big(BASE_FEE + 5), 500_000 if n == 5 else 0, 30_000_000, tuple(big(3) for _ in percentiles))
            for n in range(newest - count + 1, newest + 1)
        )

    async def submit(self, raw) -> bytes:
        await self._ask()
        self.submitted.append(raw)
        return decode_transaction(raw).hash

    async def pending_nonce(self, address) -> int:
        return 9

    def pool_counts(self) -> PoolCounts:
        return self.pool

    def pool_content(self, sender) -> PoolView:
        return PoolView({ALICE: {5: PooledTransaction(POOLED, ALICE)}}, {}) if sender in (None, ALICE) else PoolView({}, {})

    async def outgoing_receipt(self, id) -> OutgoingReceipt | None:
        return self.outgoing.get(id)

    async def outgoing_of(self, transaction_hash) -> tuple[OutgoingReceipt, ...]:
        return tuple(r for r in self.outgoing.values() if r.transaction_hash == transaction_hash)

    async def outgoing_in(self, block_hash) -> tuple[OutgoingReceipt, ...]:
        return tuple(r for r in self.outgoing.values() if r.block_hash == block_hash)

    async def block_logs(self, block_hash) -> tuple[LogView, ...]:
        await self._ask(block_hash)
        return tuple(log for receipt in self.receipts.values() for log in receipt.logs if log.block_hash == block_hash)

    async def accounts(self, wanted) -> list[AccountView | None]:
        return [await self.account(address, selector) for address, selector in wanted]

    async def accounts_page(self, number, after, count) -> BalancePage:
        return BalancePage(3, big(99), None) if after else BalancePage(count, big(1000), b"\x09" * 32)

    async def delivered_receipt(self, id) -> ReceiptView | None:
        return self.receipts.get(id)


@dataclass
class Observer:
    requests: list[tuple[str, str]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    open_now: int = 0
    all_closed: trio.Event = field(default_factory=trio.Event)

    def request(self, method, outcome) -> None:
        self.requests.append((method, outcome))

    def limit_hit(self, limit) -> None:
        self.limits.append(limit)

    def connections(self, open_now) -> None:
        self.open_now = open_now
        if not open_now:
            self.all_closed.set()


class FakeFeed:
    def __init__(self) -> None:
        self.listeners = []

    def listen(self, listener) -> None:
        self.listeners.append(listener)

    def tell(self, event) -> None:
        for listener in self.listeners:
            listener(event)


SLASHED = {3: 2, 12: 1}
"""By beacon height: the validator that the block holds evidence against."""


def beacon_block(height: int) -> BeaconBlock:
    instance = Instance(2, 0)
    base = Certificate(instance, 0, VoteKind.BASE, bytes(32), (), EMPTY_SIGNATURE)
    crosslinks, evidence = (), ()
    if height:
        link = header(2 * height)
        proof = Certificate(Instance(0, 0), 3, VoteKind.FINALIZE, link.hash(), (True, False, True), b"\x05" * 96)
        crosslinks = (Crosslink(height % 2, link.encode(), 7, 8, (), (), proof),)
    if height in SLASHED:
        votes = [Vote(instance, 4, VoteKind.NOTARIZE, bytes([n]) * 32, SLASHED[height], b"\x06" * 96) for n in (1, 2)]
        evidence = (Evidence(*votes),)
    return BeaconBlock(
        BLOCK_VERSION, height, height + 2, height // 10, bytes([height]) * 32, base, 1, GENESIS_TIME + height, b"\x07" * 96, crosslinks,
        evidence, (), b"\x0e" * 32,
    )  # fmt: skip


class FakeBeacon:
    """Blocks 0 to 12; block h crosslinks shard h mod 2, and two hold evidence."""

    def __init__(self) -> None:
        self.blocks = [beacon_block(height) for height in range(13)]

    def block(self, selector) -> BeaconBlockView | None:
        if isinstance(selector, bytes):
            selector = next((b.height for b in self.blocks if b.hash_tree_root() == selector), 99)
        elif isinstance(selector, str):
            selector = 0 if selector == "earliest" else 12
        if selector > 12:
            return None
        block = self.blocks[selector]
        return BeaconBlockView(block.hash_tree_root(), block, 500)

    def validators(self) -> tuple[ValidatorView, ...]:
        at = {validator: height for height, validator in SLASHED.items()}
        return tuple(
            ValidatorView(bytes([index + 1]) * 48, 32, b"\x03" * 20, index not in at, 5, 4, at.get(index, 0)) for index in range(3)
        )

    def epochs_known(self) -> tuple[int, ...]:
        return (1, 2)

    def committees(self, epoch) -> CommitteesView | None:
        if epoch not in (None, 1, 2):
            return None
        return CommitteesView(epoch or 1, b"\x0f" * 32, tuple(CommitteeView(chain, ((0, 32),)) for chain in range(3)))


class FakeChannels:
    """Shard 1 has sent five messages to shard 0, of which four are crosslinked and two delivered."""

    def __init__(self) -> None:
        self.found: tuple[CrossShardReceipt, ...] | None = tuple(
            CrossShardReceipt(1, 0, n, 0, b"\xaa" * 20, b"\xbb" * 20, 100 + n, 0, 0, b"\xaa" * 20, b"") for n in range(5)
        )
        self.is_closed = False

    def view(self, source, destination) -> ChannelView:
        return ChannelView(5, 4, 2, self.is_closed)

    async def pending(self, source, destination, first, count) -> tuple[CrossShardReceipt, ...] | None:
        return None if self.found is None else self.found[first : first + count]


class FakeNode:
    """Two shards; set one to None for a shard that is not hosted."""

    def __init__(self) -> None:
        self.genesis = GENESIS
        self.feed = FakeFeed()
        self.shards: list[FakeShard | None] = [FakeShard(), FakeShard()]
        self.ready = True
        self.problems: list[str] = []
        self.beacon = FakeBeacon()
        self.controls = FakeControls()
        self.channels = FakeChannels()
        self.proof: bytes | None = b"\x01\x02"
        self.crossed = Crossing(BlockRef(3, b"\x0c" * 32), GENESIS_TIME + 7, 1000 * (GENESIS_TIME + 6) + 250)
        self.final, self.queued, self.arrived = {}, {}, {}
        self.arrived_at = lambda *receipt: self.arrived.get(receipt)
        self.final_at, self.queued_at = lambda *block: self.final.get(block), lambda hash: self.queued.get(hash)

    def shard(self, shard) -> FakeShard | None:
        return self.shards[shard]

    def beacon_head(self) -> BeaconHead:
        links = tuple(CrosslinkView(BlockRef(20, b"\x0d" * 32), BASE_FEE) for _ in self.shards)
        return BeaconHead(BlockRef(12, b"\x0b" * 32), 1, 14, GENESIS_TIME + 12, 0, bytes(32), b"\x0e" * 32, links)

    def committee(self, chain) -> tuple[int, ...]:
        return (0,)

    def peers(self) -> int:
        return 3

    def supply(self) -> SupplyTerms:
        crosslinks = (BlockRef(5, b"\x05" * 32), BlockRef(6, b"\x06" * 32))
        return SupplyTerms(BlockRef(12, b"\x0b" * 32), crosslinks, (60, 39), ((0, 1, 1),), 10, 0, 0, 0, 112, 0, 2)

    async def receipt_proof(self, receipt) -> bytes | None:
        return self.proof

    async def crossing(self, receipt) -> Crossing:
        return self.crossed

    def is_ready(self) -> bool:
        return self.ready

    def health(self) -> list[str]:
        return self.problems


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """Speaks to the application as an ASGI server does."""

    def __init__(self, default_path: str = "/shard/0", node=None) -> None:
        self.node = node or FakeNode()
        self.observer = Observer()
        self.app = Application(self.node, version="shardnet/test", allowed_hosts=["node.example"], observe=self.observer)
        self.connection = FakeConnection(default_path)

    @property
    def shard(self) -> FakeShard:
        return self.node.shards[0]

    async def http(self, method="POST", path="/", body=b"", headers=None, version="1.1", chunks=None) -> Answer | None:
        """None: the connection was closed without an answer."""
        given = {b"host": b"127.0.0.1:8545", b"content-type": b"application/json"} | (headers or {})
        parts = list(chunks or [body])
        messages = [{"type": "http.request", "body": part, "more_body": i < len(parts) - 1} for i, part in enumerate(parts)]
        sent = []

        async def receive():
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http", "http_version": version, "method": method, "path": path,
            "headers": [(k, v) for k, v in given.items() if v is not None], "state": {"connection": self.connection},
        }  # fmt: skip
        await self.app(scope, receive, send)
        if not sent:
            return None
        return Answer(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"])

    async def post(self, body: object, path="/", **kwargs) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http(path=path, body=raw, **kwargs)

    async def call(self, method: str, *params, path="/"):
        """The answer's envelope."""
        answer = await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}, path)
        assert answer.status == 200
        envelope = answer.json
        assert envelope["jsonrpc"] == "2.0"
        assert envelope["id"] == 1
        return envelope

    async def result(self, method: str, *params, path="/"):
        envelope = await self.call(method, *params, path=path)
        assert "error" not in envelope, envelope
        return envelope["result"]

    async def error(self, method: str, *params, path="/") -> tuple[int, str]:
        error = (await self.call(method, *params, path=path))["error"]
        return error["code"], error["message"]
