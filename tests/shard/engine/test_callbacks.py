"""Calls with a callback, there and back over two shards: in every way both can end, and that no wei comes or goes."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from eth_abi import decode, encode

from primitives.callbacks import Outcome, callback_gas_in
from primitives.hashing import keccak256
from primitives.receipts import CrossShardReceipt, ReceiptKind, alias_of
from shard import callbacks, system
from shard.contracts import INBOX, OUTBOX, OUTBOX_CONTRACT
from shard.engine.reference import messages
from shard.engine.reference.delivery import _send_back
from shard.views import CallRequest
from tests.shard.engine.callers import ASKING, BURNING, ENDLESS, LEAVING, RECORDING, REVERTING, SINK, caller, leaving_at_birth, onward
from tests.shard.engine.support import GWEI, Shard, address

REFUND_TO = b"\xfe" * 20
# On the destination.
ANSWERING, REFUSING, LENGTHY, PAYING, SILENT = (bytes([0xA0 + i]) * 20 for i in range(5))
CALLEES = {
    ANSWERING: bytes.fromhex("335f52" + "5f35602052" + "60405ff3"),  # returns its caller, and the first word it is called with
    REFUSING: bytes.fromhex("602a5f52" + "60205ffd"),
    LENGTHY: bytes.fromhex("611000" + "5ff3"),
    PAYING: bytes.fromhex("5f5f5f5f3460029004335af100"),  # half of the value back to the caller
    SILENT: b"\xfe",
}
# On the source.
RECORDER, REVERTER, SPINNER, BURNER, LEAVER, AGAIN, ASKER = (bytes([0xB0 + i]) * 20 for i in range(7))
GAS, CALLBACK_GAS, AMOUNT = 100_000, 300_000, 1000
FEE, ESCROW = 2 * GAS * GWEI, 2 * CALLBACK_GAS * GWEI
CALLERS = {
    RECORDER: caller(RECORDING),
    REVERTER: caller(REVERTING),
    SPINNER: caller(ENDLESS),
    BURNER: caller(BURNING),
    LEAVER: caller(LEAVING),
    ASKER: caller(ASKING),
    AGAIN: caller(onward(1, ANSWERING, 30_000, 25_000, REFUND_TO)),
}


@dataclass
class Crossing:
    """Shard 0, which calls, and shard 1, which is called."""

    source: Shard
    target: Shard

    def call(self, sender=RECORDER, to=ANSWERING, refund_to=None, data=b"", amount=AMOUNT, gas=GAS, callback_gas=CALLBACK_GAS):
        """Sends a call with a callback; the receipt that goes out."""
        block = self.source.begin()
        call = OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, to, gas, callback_gas, refund_to or sender, data)
        value = amount + 2 * (gas + callback_gas) * GWEI
        outcome = self.source.send(block, 0, sender, value, call)
        assert outcome.status == 1
        result = self.source.finish(block)
        self.source.audit()
        receipt = system.receipt_of_log(outcome.logs[0], 0)
        assert result.sent == amount + 2 * gas * GWEI, "what pays the callback stays"
        assert self.source.balance(OUTBOX) >= 2 * callback_gas * GWEI
        return receipt

    def deliver(self, shard, receipt):
        """Delivers the next receipt of its channel in a block of its own."""
        block = shard.begin()
        outcome = block.deliver(receipt)
        result = shard.finish(block)
        shard.audit()
        assert result.taken_in == receipt.amount + receipt.fee
        return outcome, result

    def answer(self, receipt):
        """Delivers a call; what happened, and the one receipt that comes back."""
        outcome, result = self.deliver(self.target, receipt)
        back = system.receipt_of_log(outcome.logs[-1], 1)
        assert result.summary.outgoing[0].count == receipt.nonce + 1
        assert back.identity(self.target.parameters.chain_id_base) == outcome.logs[-1].topics[1]
        return outcome, back

    def there_and_back(self, **call):
        """A call, its result, and what delivering that did."""
        receipt = self.call(**call)
        _, back = self.answer(receipt)
        return receipt, back, *self.deliver(self.source, back)


@pytest.fixture
def crossing():
    return Crossing(Shard(CALLERS), Shard(CALLEES, shard=1))


def identity(receipt):
    return receipt.identity(735_700)


def word(shard, account, slot):
    return shard.engine.storage(shard.root, account, slot)


def awaited(shard, receipt):
    return callbacks.read_awaited(lambda account, slot: shard.engine.storage(shard.root, account, slot), identity(receipt))


def failed(shard, receipt):
    """What `Outbox.failedCallback` answers."""
    data = OUTBOX_CONTRACT.encode_call("failedCallback", identity(receipt))
    return shard.engine.call(shard.root, shard.context(), CallRequest(address(0), OUTBOX, None, b"", b"", data)).output


def test_the_call_carries_the_callbacks_gas_and_runs_as_the_alias_with_what_follows(crossing):
    receipt = crossing.call(data=b"\7" * 32, refund_to=REFUND_TO)
    assert receipt == CrossShardReceipt(
        0, 1, 0, ReceiptKind.CALL_WITH_CALLBACK, RECORDER, ANSWERING, AMOUNT, GAS, FEE, REFUND_TO,
        CALLBACK_GAS.to_bytes(8, "big") + b"\7" * 32,
    )  # fmt: skip
    assert awaited(crossing.source, receipt) == callbacks.Awaited(RECORDER, 1, CALLBACK_GAS, 2 * GWEI, REFUND_TO)
    outcome, back = crossing.answer(receipt)
    returned = alias_of(0, RECORDER).rjust(32, b"\0") + b"\7" * 32
    assert (outcome.status, outcome.sender, outcome.to) == (1, alias_of(0, RECORDER), ANSWERING)
    assert back == CrossShardReceipt(
        1, 0, 0, ReceiptKind.RESULT, OUTBOX, RECORDER, FEE - outcome.gas_used * GWEI, CALLBACK_GAS, 0, REFUND_TO,
        identity(receipt) + b"\1" + returned,
    )  # fmt: skip
    assert crossing.target.balance(ANSWERING) == AMOUNT


def test_the_callback_comes_from_inbox_and_what_is_left_is_credited(crossing):
    receipt, back, outcome, result = crossing.there_and_back(refund_to=RECORDER)
    said = Outcome.decode(back.data, 1024)
    assert [word(crossing.source, RECORDER, i) for i in range(5)] == [
        int.from_bytes(identity(receipt), "big"), 1, int.from_bytes(INBOX, "big"), int.from_bytes(INBOX, "big"), 0,
    ]  # fmt: skip
    assert int.from_bytes(outcome.logs[0].data, "big") == back.amount, "credited before the code runs"
    name, arguments = outcome.logs[1].data[:4], outcome.logs[1].data[4:]
    assert name == callbacks.SELECTOR
    assert decode(("bytes32", "bool", "bytes"), arguments) == (identity(receipt), True, said.returned)
    assert (outcome.status, outcome.sender, outcome.to, outcome.effective_gas_price) == (1, INBOX, RECORDER, GWEI)
    assert result.burned == outcome.gas_used * GWEI
    assert crossing.source.balance(RECORDER) == back.amount + ESCROW - result.burned
    assert crossing.source.balance(OUTBOX) == 0
    assert awaited(crossing.source, receipt) is None
    assert failed(crossing.source, receipt) == bytes(32)


@pytest.mark.parametrize(
    ("to", "gas", "returned"),
    [(REFUSING, GAS, (42).to_bytes(32, "big")), (SILENT, GAS, b""), (ANSWERING, 21_000, b"")],
)
def test_a_failing_call_brings_the_amount_back_with_its_words(crossing, to, gas, returned):
    receipt = crossing.call(to=to, gas=gas, refund_to=REFUND_TO)
    outcome, back = crossing.answer(receipt)
    assert (outcome.status, len(outcome.logs)) == (0, 1)
    assert back.amount == AMOUNT + receipt.fee - outcome.gas_used * GWEI
    assert Outcome.decode(back.data, 1024) == Outcome(identity(receipt), False, returned)
    delivered, _ = crossing.deliver(crossing.source, back)
    assert (delivered.status, word(crossing.source, RECORDER, 1)) == (1, 0)
    assert crossing.source.balance(REFUND_TO) == back.amount + ESCROW - delivered.gas_used * GWEI


def test_a_call_that_does_not_run_pays_nothing_and_says_so(crossing):
    receipt = crossing.call(refund_to=REFUND_TO)
    crossing.target.base_fee = 17 * GWEI
    outcome, back = crossing.answer(receipt)
    assert (outcome.status, outcome.gas_used, outcome.effective_gas_price) == (0, 21_000, 0)
    assert (back.kind, back.amount) == (ReceiptKind.RESULT, AMOUNT + FEE)
    assert Outcome.decode(back.data, 1024) == Outcome(identity(receipt), False, b"")


def test_a_result_comes_even_with_nothing_to_bring(crossing):
    receipt = crossing.call(to=SILENT, amount=0)
    crossing.target.base_fee = 2 * GWEI
    outcome, back = crossing.answer(receipt)
    assert (outcome.gas_used, back.amount, back.kind) == (GAS, 0, ReceiptKind.RESULT)
    delivered, _ = crossing.deliver(crossing.source, back)
    assert (delivered.status, word(crossing.source, RECORDER, 0)) == (1, int.from_bytes(identity(receipt), "big"))


def test_long_return_data_is_cut(crossing):
    receipt = crossing.call(to=LENGTHY)
    _, back = crossing.answer(receipt)
    assert Outcome.decode(back.data, 1024) == Outcome(identity(receipt), True, bytes(1024))
    delivered, _ = crossing.deliver(crossing.source, back)
    assert (delivered.status, len(delivered.logs[1].data)) == (1, 4 + 4 * 32 + 1024)


def test_what_the_callee_pays_back_comes_with_the_result(crossing):
    receipt = crossing.call(to=PAYING)
    outcome, back = crossing.answer(receipt)
    assert (outcome.status, back.amount) == (1, AMOUNT // 2 + FEE - outcome.gas_used * GWEI)


@pytest.mark.parametrize(("sender", "gas_used"), [(REVERTER, None), (SPINNER, CALLBACK_GAS)])
def test_a_failing_callback_is_undone_pays_its_gas_and_leaves_a_record(crossing, sender, gas_used):
    receipt, back, outcome, result = crossing.there_and_back(sender=sender, refund_to=REFUND_TO)
    assert (outcome.status, outcome.effective_gas_price) == (0, GWEI)
    assert gas_used in (None, outcome.gas_used)
    assert outcome.logs == (callbacks.failed_log(identity(receipt)),)
    assert result.burned == outcome.gas_used * GWEI
    assert crossing.source.balance(REFUND_TO) == back.amount + ESCROW - result.burned
    assert (word(crossing.source, sender, 0), crossing.source.balance(OUTBOX)) == (0, 0)
    assert awaited(crossing.source, receipt) is None
    assert failed(crossing.source, receipt) == Outcome.decode(back.data, 1024).digest()
    again = crossing.call(sender=RECORDER)
    assert crossing.deliver(crossing.source, crossing.answer(again)[1])[0].status == 1, "the channel moves on"


def test_a_callback_may_burn_all_that_came_back(crossing):
    _, back, outcome, result = crossing.there_and_back(sender=BURNER)
    assert outcome.status == 1
    assert result.burned == outcome.gas_used * GWEI + back.amount
    assert crossing.source.balance(BURNER) == ESCROW - outcome.gas_used * GWEI


def test_a_callback_may_self_destruct(crossing):
    _, back, outcome, _ = crossing.there_and_back(sender=LEAVER)
    assert outcome.status == 1
    assert crossing.source.balance(SINK) == back.amount
    assert crossing.source.balance(LEAVER) == ESCROW - outcome.gas_used * GWEI


def test_a_sender_that_is_gone_has_no_callback_and_nothing_is_lost(crossing):
    source, value = crossing.source, AMOUNT + FEE + ESCROW
    block = source.begin()
    call = OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, REFUSING, GAS, CALLBACK_GAS, REFUND_TO, b"")
    sent = source.send(block, 0, None, value, leaving_at_birth(call))
    source.finish(block)
    receipt = system.receipt_of_log(sent.logs[0], 0)
    assert sent.status == 1
    assert source.engine.code(source.root, receipt.sender) == b""
    assert source.balance(OUTBOX) == ESCROW
    _, back = crossing.answer(receipt)
    outcome, result = crossing.deliver(source, back)
    assert (outcome.status, outcome.gas_used, outcome.logs) == (1, 21_000, ())
    assert source.balance(REFUND_TO) == back.amount + ESCROW - 21_000 * GWEI
    assert not source.engine.account(source.root, receipt.sender).nonce
    assert receipt.sender not in {account for account, state in result.accounts.items() if state.balance}


def test_a_callback_may_call_on_with_a_callback_of_its_own(crossing):
    receipt, back, outcome, result = crossing.there_and_back(sender=AGAIN)
    assert outcome.status == 1
    again = system.receipt_of_log(outcome.logs[0], 0)
    assert (again.nonce, again.sender, callback_gas_in(again.data)) == (1, AGAIN, 25_000)
    assert again.amount == back.amount - 2 * (30_000 + 25_000) * GWEI
    assert result.sent == again.amount + again.fee
    assert crossing.source.balance(OUTBOX) == awaited(crossing.source, again).escrow == 2 * 25_000 * GWEI
    assert awaited(crossing.source, receipt) is None
    _, second = crossing.answer(again)
    crossing.deliver(crossing.source, second)
    assert crossing.source.balance(OUTBOX) == 0


def test_a_plain_account_may_send_with_a_callback_that_does_nothing(crossing):
    block = crossing.source.begin()
    sent = crossing.source.outbox(
        block, "sendWithCallback", 1, ANSWERING, GAS, 21_000, REFUND_TO, b"", value=AMOUNT + FEE + 2 * 21_000 * GWEI
    )
    crossing.source.finish(block)
    _, back = crossing.answer(system.receipt_of_log(sent.logs[0], 0))
    outcome, _ = crossing.deliver(crossing.source, back)
    assert (outcome.status, outcome.gas_used, outcome.logs) == (1, 21_000, ())
    assert crossing.source.balance(REFUND_TO) == back.amount + 21_000 * GWEI


@pytest.mark.parametrize(("base_fee", "price"), [(GWEI // 2, GWEI // 2), (2 * GWEI, 2 * GWEI), (16 * GWEI, 2 * GWEI), (16 * GWEI + 1, 0)])
def test_the_price_is_the_base_fee_at_most_what_is_in_escrow_and_at_least_an_eighth(crossing, base_fee, price):
    receipt = crossing.call(refund_to=REFUND_TO)
    _, back = crossing.answer(receipt)
    crossing.source.base_fee = base_fee
    outcome, result = crossing.deliver(crossing.source, back)
    assert (outcome.status, outcome.effective_gas_price) == (int(price > 0), price)
    assert result.burned == outcome.gas_used * price
    assert crossing.source.balance(REFUND_TO) == back.amount + ESCROW - result.burned
    if not price:
        assert (outcome.gas_used, outcome.logs) == (21_000, (callbacks.failed_log(identity(receipt)),))
        assert failed(crossing.source, receipt) == Outcome.decode(back.data, 1024).digest()


def test_a_callback_is_awaited_no_more_when_it_runs(crossing):
    receipt, _, outcome, _ = crossing.there_and_back(sender=ASKER)
    assert (outcome.status, word(crossing.source, ASKER, 0)) == (1, 1)
    assert awaited(crossing.source, receipt) is None


# -- what a corrupted destination may write


def test_a_result_is_believed_once(crossing):
    _, back, *_ = crossing.there_and_back(refund_to=REFUND_TO)
    before = crossing.source.balance(REFUND_TO)
    outcome, result = crossing.deliver(crossing.source, replace(back, nonce=1, data=back.data[:32] + b"\0"))
    assert (outcome.status, outcome.gas_used, outcome.effective_gas_price, outcome.logs) == (0, 21_000, 0, ())
    assert (crossing.source.balance(REFUND_TO), result.burned) == (before + back.amount, 0)
    assert word(crossing.source, RECORDER, 1) == 1


def test_only_the_shard_that_was_called_tells_the_outcome(crossing):
    receipt = crossing.call()
    _, back = crossing.answer(receipt)
    outcome, _ = crossing.deliver(crossing.source, replace(back, source=2, refund_to=REFUND_TO))
    assert (outcome.status, outcome.logs) == (0, ())
    assert crossing.source.balance(REFUND_TO) == back.amount
    assert awaited(crossing.source, receipt).escrow == crossing.source.balance(OUTBOX) == ESCROW
    assert crossing.deliver(crossing.source, back)[0].status == 1


def test_whom_to_call_and_whom_to_pay_is_what_this_shard_wrote_down(crossing):
    receipt = crossing.call(refund_to=REFUND_TO)
    _, back = crossing.answer(receipt)
    outcome, _ = crossing.deliver(crossing.source, replace(back, to=REVERTER, refund_to=SINK, fee=7))
    assert (outcome.status, outcome.logs[1].address) == (1, RECORDER)
    assert crossing.source.balance(SINK) == 0
    assert crossing.source.balance(REFUND_TO) == back.amount + 7 + ESCROW - outcome.gas_used * GWEI


@pytest.mark.parametrize(("gas", "runs"), [(0, False), (CALLBACK_GAS - 1, False), (CALLBACK_GAS + 1, True), (2**64 - 1, True)])
def test_no_callback_runs_with_more_gas_than_was_counted(crossing, gas, runs):
    receipt = crossing.call(refund_to=REFUND_TO)
    _, back = crossing.answer(receipt)
    outcome, result = crossing.deliver(crossing.source, replace(back, gas_limit=gas))
    assert outcome.status == int(runs)
    assert crossing.source.balance(REFUND_TO) == back.amount + ESCROW - result.burned
    if not runs:
        assert (outcome.gas_used, result.burned, outcome.logs) == (21_000, 0, (callbacks.failed_log(identity(receipt)),))


@pytest.mark.parametrize("garble", [lambda d: b"", lambda d: d[:32], lambda d: d[:32] + b"\2" + d[33:], lambda d: d[:33] + bytes(1025)])
def test_what_is_no_outcome_is_credited_and_closes_nothing(crossing, garble):
    receipt = crossing.call()
    _, back = crossing.answer(receipt)
    outcome, _ = crossing.deliver(crossing.source, replace(back, data=garble(back.data), refund_to=REFUND_TO))
    assert (outcome.status, outcome.logs) == (0, ())
    assert crossing.source.balance(REFUND_TO) == back.amount
    assert crossing.deliver(crossing.source, replace(back, nonce=1))[0].status == 1
    assert awaited(crossing.source, receipt) is None


@pytest.mark.parametrize("data", [b"", b"\1" * 7, b"\xff" * 8])
def test_a_corrupted_source_may_name_any_gas(crossing, data):
    forged = CrossShardReceipt(0, 1, 0, ReceiptKind.CALL_WITH_CALLBACK, RECORDER, ANSWERING, 5, GAS, FEE, REFUND_TO, data)
    outcome, back = crossing.answer(forged)
    assert (outcome.status, back.gas_limit) == (1, 2**64 - 1 if len(data) == 8 else 0)


# -- native writes and the contract's own


def test_native_results_write_what_the_contract_would(crossing):
    shard = crossing.target
    message = replace(crossing.call(refund_to=REFUND_TO), destination=1)
    native, contract = (shard.engine._state(shard.root, shard.context()) for _ in range(2))
    for amount, returned, success in ((0, b"", False), (5, b"\1" * 31, True), (10**30, bytes(2000), True)):
        logs = _send_back(native, message, amount, shard.parameters, 1, returned, success=success)
        outcome = Outcome(identity(message), success, returned[:1024])
        call = system.result_call(0, RECORDER, CALLBACK_GAS, REFUND_TO, outcome.encode())
        assert logs == messages.system_call(contract, OUTBOX, call, amount)
    native.accounts.end_transaction()
    assert native.accounts.commit({}) == contract.accounts.commit({})


@pytest.mark.parametrize("sender", [RECORDER, REVERTER])
def test_a_callback_is_closed_as_the_contract_would(crossing, sender):
    receipt = crossing.call(sender=sender)
    _, back = crossing.answer(receipt)
    shard = crossing.source
    contract = shard.engine._state(shard.root, shard.context())
    messages.system_call(contract, OUTBOX, OUTBOX_CONTRACT.encode_call("close", identity(receipt)))
    if sender == REVERTER:
        digest = Outcome.decode(back.data, 1024).digest()
        call = OUTBOX_CONTRACT.encode_call("fail", identity(receipt), digest)
        assert messages.system_call(contract, OUTBOX, call) == (callbacks.failed_log(identity(receipt)),)
    crossing.deliver(shard, back)
    slot = callbacks._slot(identity(receipt))
    for place in (slot, slot + 1):
        assert contract.accounts.get_storage(OUTBOX, place) == word(shard, OUTBOX, place)


def test_the_callbacks_interface_is_what_contracts_implement():
    said = Outcome(b"\7" * 32, True, b"\1\2")
    assert callbacks.callback_data(said)[4:] == encode(("bytes32", "bool", "bytes"), (b"\7" * 32, True, b"\1\2"))


# -- the example of docs/cross-shard.md

ORDERS = json.loads((Path(__file__).parents[3] / "docs" / "examples" / "callback" / "orders.json").read_text())
ORDERED, TAKEN, REFUSED = 1, 2, 4


def orders(method, *arguments):
    kinds = next([each["type"] for each in entry["inputs"]] for entry in ORDERS["abi"] if entry.get("name") == method)
    return keccak256(f"{method}({','.join(kinds)})".encode())[:4] + encode(kinds, arguments)


class Ordering:
    """The contract on the source, and an order of account 1."""

    def __init__(self, crossing, shop):
        self.crossing, self.source = crossing, crossing.source
        block = self.source.begin()
        deployed = self.source.send(block, 0, None, 0, bytes.fromhex(ORDERS["bytecode"][2:]))
        self.source.finish(block)
        assert deployed.status == 1
        self.contract = deployed.contract_address
        block = self.source.begin()
        value = AMOUNT + FEE + 2 * 100_000 * GWEI
        sent = self.source.send(block, 1, self.contract, value, orders("order", 1, shop, GAS, b"\7" * 32))
        self.source.finish(block)
        self.receipt = system.receipt_of_log(sent.logs[0], 0)
        assert (sent.status, self.state, self.receipt.amount) == (1, ORDERED, AMOUNT)

    @property
    def state(self):
        return int.from_bytes(self.ask(orders("states", identity(self.receipt))).output, "big")

    def ask(self, data):
        request = CallRequest(address(2), self.contract, None, b"", b"", data)
        return self.source.engine.call(self.source.root, self.source.context(), request)


@pytest.mark.parametrize(("shop", "state", "answer"), [(ANSWERING, TAKEN, None), (REFUSING, REFUSED, (42).to_bytes(32, "big"))])
def test_an_order_is_taken_or_refused(crossing, shop, state, answer):
    ordering = Ordering(crossing, shop)
    _, back = crossing.answer(ordering.receipt)
    outcome, _ = crossing.deliver(crossing.source, back)
    assert (outcome.status, ordering.state) == (1, state)
    told, said = decode(("uint256", "bytes"), outcome.logs[0].data)
    assert (told, outcome.logs[0].topics[1]) == (state, identity(ordering.receipt))
    assert answer in (None, said)
    assert not ordering.ask(orders("settleLate", identity(ordering.receipt), True, b"")).success


def test_nobody_but_inbox_tells_an_order_its_outcome(crossing):
    ordering = Ordering(crossing, REFUSING)
    for method in ("onCrossShardResult", "settleLate"):
        assert not ordering.ask(orders(method, identity(ordering.receipt), True, b"")).success


def test_an_order_whose_callback_failed_is_settled_late(crossing):
    ordering = Ordering(crossing, REFUSING)
    _, back = crossing.answer(ordering.receipt)
    crossing.source.base_fee = 17 * GWEI
    assert crossing.deliver(crossing.source, back)[0].status == 0
    crossing.source.base_fee = GWEI
    assert ordering.state == ORDERED
    said = Outcome.decode(back.data, 1024)
    assert not ordering.ask(orders("settleLate", said.call_id, True, said.returned)).success
    block = crossing.source.begin()
    settled = crossing.source.send(block, 2, ordering.contract, 0, orders("settleLate", said.call_id, said.success, said.returned))
    crossing.source.finish(block)
    assert (settled.status, ordering.state) == (1, REFUSED)
