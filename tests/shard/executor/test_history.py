"""Searches of an account's transactions, by sender and nonce, and of who made a contract."""

import pytest

from primitives.errors import Interrupted
from shard.engine.reference.messages import created_address
from shard.executor.history import History
from tests.shard.executor.support import LOGGER, address, transfer
from tests.shard.tracing.support import CALLING, INIT, Chain, message, no_meter

FRIEND = b"\x99" * 20


class Searched(Chain):
    """Seven blocks: transfers of account 0, of which blocks 2 and 5 have none and 3 has two; and what makes contracts."""

    def __init__(self):
        super().__init__()
        genesis, sent = self.genesis, 0
        self.names = []
        for view, count in enumerate((1, 0, 2, 1, 0, 1), 1):
            transactions = [transfer(genesis, 0, sent + i) for i in range(count)] + [transfer(genesis, 1, view - 1, LOGGER, 0, 100_000)]
            sent += count
            self.names.append(self.add(*transactions, view=view)[:count])
        makers = transfer(genesis, 2, 0, b"", gas=100_000, data=bytes.fromhex(INIT)), transfer(genesis, 3, 0, CALLING, gas=1_000_000)
        self.made, self.called = self.add(*makers, view=7)
        self.history = History(self.executor, self.tracing)

    def search(self, who, height, count, *, before=True):
        page = self.history.search(who, height, count, no_meter, before=before)
        return [(receipt.transaction.block_number, receipt.transaction.index) for receipt in page.receipts], page.is_last


@pytest.fixture(scope="module")
def chain():
    return Searched()


def test_pages_backwards_never_part_a_block(chain):
    assert chain.search(address(0), 8, 2) == ([(6, 0), (4, 0)], False)
    assert chain.search(address(0), 4, 1) == ([(3, 1), (3, 0)], False)
    assert chain.search(address(0), 3, 5) == ([(1, 0)], True)
    assert chain.search(address(0), 1, 5) == ([], True)
    assert chain.search(address(0), 2**62, 9)[1]


def test_pages_forwards(chain):
    assert chain.search(address(0), 0, 2, before=False) == ([(1, 0), (3, 0), (3, 1)], False)
    assert chain.search(address(0), 3, 2, before=False) == ([(4, 0), (6, 0)], True)
    assert chain.search(address(0), 7, 2, before=False) == ([], True)


def test_whoever_is_called_logs_or_is_made_is_found_too(chain):
    assert chain.search(FRIEND, 99, 9)[0] == [(6, 0), (4, 0), (3, 1), (3, 0), (1, 0)]
    assert len(chain.search(LOGGER, 99, 99)[0]) == 6
    assert chain.search(created_address(address(2), 0), 99, 9) == ([(7, 0)], True)
    assert chain.search(b"\x31" * 20, 99, 9) == ([], True)


def test_by_sender_and_nonce(chain):
    names = [name for block in chain.names for name in block]
    assert [chain.history.sent_by(address(0), nonce, no_meter) for nonce in range(len(names) + 1)] == [*names, None]
    assert chain.history.sent_by(b"\x31" * 20, 0, no_meter) is None


def test_who_made_a_contract(chain):
    assert chain.history.creator(created_address(address(2), 0), no_meter) == (chain.made, address(2))
    assert chain.history.creator(created_address(CALLING, 1), no_meter) == (chain.called, CALLING)
    assert chain.history.creator(CALLING, no_meter) is None, "it was there from the beginning"
    assert chain.history.creator(address(0), no_meter) is None


def test_a_delivery_is_found_by_its_parties():
    chain = Searched()
    (name,) = chain.add_deliveries((message(0, to=FRIEND),))
    history = chain.history
    (receipt, *_) = history.search(FRIEND, 99, 1, no_meter, before=True).receipts
    assert receipt.transaction.hash == name
    (receipt, *_) = history.search(receipt.transaction.sender, 99, 1, no_meter, before=True).receipts
    assert receipt.transaction.hash == name


def test_searches_ask_their_meter(chain):
    def meter():
        raise Interrupted("call_deadline_ms")

    for ask in (
        lambda: chain.history.search(address(0), 99, 9, meter, before=True),
        lambda: chain.history.sent_by(address(0), 2, meter),
        lambda: chain.history.creator(created_address(CALLING, 1), meter),
    ):
        with pytest.raises(Interrupted):
            ask()
