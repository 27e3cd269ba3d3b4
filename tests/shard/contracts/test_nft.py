"""Things that move between shards: each is on one shard, or in flight, and comes to somebody in the end."""

from dataclasses import replace

import pytest

from primitives.receipts import CrossShardReceipt, ReceiptKind
from tests.shard.contracts.peers import ADDRESS, DEAR, FIRST_CHAIN, SHARDS, Peers
from tests.shard.engine.support import GWEI, address

OWNER, BOB = 0, b"\xb0" * 20
ARGUMENTS = ("Stones", "STN", address(OWNER), 0, FIRST_CHAIN)
LONG = "ipfs://" + "x" * 249
REFUSES, TAKES = (bytes([0xE0 + i]) * 20 for i in range(2))
CODES = {0: {REFUSES: b"\0", TAKES: bytes.fromhex("63150b7a0260e01b5f5260205ff3")}}


@pytest.fixture
def stones():
    peers = Peers("nft", ARGUMENTS, CODES)
    assert peers.act(0, OWNER, "mint", address(OWNER), LONG).status == 1
    return peers


def where(peers, thing=1):
    """Shard and owner of everywhere it is."""
    answers = [(shard, peers.ask(shard, "ownerOf", thing)) for shard in range(SHARDS)]
    return [(shard, bytes.fromhex(owner[2:])) for shard, owner in answers if isinstance(owner, str)]


def flights(peers):
    return {(a, b): flight for a in range(SHARDS) for b in range(SHARDS) if a != b and (flight := peers.in_flight(a, b))}


def test_owner_and_uri_travel_and_in_flight_it_is_nowhere(stones):
    assert stones.act(0, OWNER, "approve", BOB, 1).status == 1
    assert stones.move(0, 1, OWNER, address(1), 1, extra=9).status == 1
    assert (where(stones), flights(stones)) == ([], {(0, 1): 1})
    assert stones.deliver(0, 1).status == 1
    assert (where(stones), flights(stones)) == ([(1, address(1))], {})
    assert stones.ask(1, "tokenURI", 1) == LONG
    assert int(stones.ask(1, "getApproved", 1), 16) == 0
    assert stones.deliver(1, 0).status == 1
    assert stones.move(1, 2, 1, BOB, 1).status == 1
    stones.drain()
    assert (where(stones), stones.ask(2, "tokenURI", 1), stones.ask(2, "balanceOf", BOB)) == ([(2, BOB)], LONG, 1)
    assert [stones.ask(shard, "totalSupply") for shard in range(SHARDS)] == [0, 0, 1]


def test_the_gas_is_enough_for_the_longest_uri(stones):
    stones.move(0, 1, OWNER, BOB, 1)
    assert stones.deliver(0, 1).gas_used <= 400_000
    stones.drain()
    stones.act(0, OWNER, "mint", address(OWNER), LONG)
    stones.move(0, 1, OWNER, BOB, 2)
    stones.deliver(0, 1, base_fee=DEAR)
    returned = stones.deliver(1, 0)
    assert (returned.status, where(stones, 2)) == (1, [(0, address(OWNER))])
    assert returned.gas_used <= 380_000
    assert stones.ask(0, "tokenURI", 2) == LONG


@pytest.mark.parametrize("code", [None, "00", "5f5ffd", "602a5f5260205ff3"])
def test_what_does_not_arrive_returns_to_its_owner(code):
    stones = Peers("nft", ARGUMENTS, {1: {ADDRESS: bytes.fromhex(code)}} if code else {}, without=(1,))
    stones.act(0, OWNER, "mint", address(OWNER), "a")
    assert stones.move(0, 1, OWNER, BOB, 1).status == 1
    stones.drain()
    assert stones.ask(0, "ownerOf", 1) == "0x" + address(OWNER).hex()
    assert (stones.ask(0, "tokenURI", 1), stones.ask(0, "returned", 1)) == ("a", 1)


@pytest.mark.parametrize("arrives", [True, False])
def test_a_callback_that_failed_is_settled_once_even_when_the_thing_has_moved_on(stones, arrives):
    stones.move(0, 1, OWNER, address(1), 1)
    stones.deliver(0, 1, base_fee=GWEI if arrives else DEAR)
    assert stones.deliver(1, 0, base_fee=DEAR).status == 0
    said = stones.outcome(0)
    if arrives:
        stones.move(1, 0, 1, BOB, 1)
        stones.drain()
    assert stones.settle(replace(said, success=not arrives)).status == 0
    assert stones.settle(said).status == 1
    assert stones.settle(said).status == 0
    assert (where(stones), stones.ask(0, "tokenURI", 1), flights(stones)) == ([(0, BOB if arrives else address(OWNER))], LONG, {})


def test_only_the_minter_creates_and_only_at_home(stones):
    assert stones.act(0, 1, "mint", BOB, "").status == 0
    assert stones.act(1, OWNER, "mint", BOB, "").status == 0
    assert stones.ask(0, "created") == 1


def test_a_second_one_is_not_let_in_from_whomever(stones):
    data, fee = stones.data("receiveFrom", 1, BOB, 1, "mine"), 500_000 * 2 * GWEI
    stones.channels[1, 0].append(CrossShardReceipt(1, 0, 0, ReceiptKind.CALL, ADDRESS, ADDRESS, 0, 500_000, fee, BOB, data))
    stones.channels[2, 0].append(CrossShardReceipt(2, 0, 0, ReceiptKind.CALL, ADDRESS, ADDRESS, 0, 500_000, fee, BOB, data))
    assert [stones.deliver(source, 0).status for source in (1, 2)] == [0, 0]
    assert stones.act(0, 1, "receiveFrom", 1, BOB, 7, "").status == 0
    assert where(stones) == [(0, address(OWNER))]


def test_who_may_move_a_thing(stones):
    assert stones.move(0, 1, 1, BOB, 1).status == 0, "not the owner's"
    assert stones.move(0, 1, OWNER, bytes(20), 1).status == 0
    assert stones.move(0, 1, OWNER, BOB, 2).status == 0, "does not exist"
    assert stones.act(0, 1, "transferFrom", address(OWNER), BOB, 1).status == 0
    stones.act(0, OWNER, "setApprovalForAll", address(1), True)
    assert stones.move(0, 1, 1, BOB, 1).status == 1
    stones.deliver(0, 1, base_fee=DEAR)
    stones.drain()
    assert where(stones) == [(0, address(OWNER))], "not to the operator"


def test_a_contract_is_asked_whether_it_takes_a_thing(stones):
    assert stones.act(0, OWNER, "safeTransferFrom", address(OWNER), REFUSES, 1).status == 0
    assert stones.act(0, OWNER, "safeTransferFrom", address(OWNER), TAKES, 1, b"hello").status == 1
    assert where(stones) == [(0, TAKES)]


def test_it_says_which_interfaces_it_has(stones):
    told = [stones.ask(0, "supportsInterface", bytes.fromhex(each)) for each in ("01ffc9a7", "80ac58cd", "5b5e139f", "ffffffff")]
    assert told == [True, True, True, False]
