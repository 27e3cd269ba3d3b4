"""The token that moves between shards: it is never lost and never doubled, however its messages end."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from primitives.hashing import keccak256
from primitives.receipts import CrossShardReceipt, ReceiptKind
from shard.contracts import INBOX
from tests.shard.contracts.peers import ADDRESS, DEAR, FIRST_CHAIN, SHARDS, Peers
from tests.shard.engine.support import GWEI, address

SUPPLY = 10**24
BOB, HOLDER = b"\xb0" * 20, b"\xa7" * 20
OWNER = 0
ARGUMENTS = ("Pebble", "PBL", SUPPLY, address(OWNER), 0, FIRST_CHAIN)
ANSWERS = {"reverts": "5f5ffd", "says nothing": "00", "says something else": "602a5f5260205ff3", "spends all its gas": "fe"}


@pytest.fixture
def token():
    return Peers("token", ARGUMENTS)


def held(peers, shard, account):
    return peers.ask(shard, "balanceOf", account)


def require_conserved(peers, shards=range(SHARDS)):
    flights = {(a, b): peers.in_flight(a, b) for a in shards for b in range(SHARDS) if a != b}
    assert min(flights.values()) >= 0
    assert sum(peers.ask(shard, "totalSupply") for shard in shards) + sum(flights.values()) == SUPPLY


def test_all_of_it_is_created_on_the_home_shard_and_the_code_is_the_same(token):
    assert [token.ask(shard, "totalSupply") for shard in range(SHARDS)] == [SUPPLY, 0, 0]
    assert held(token, 0, address(OWNER)) == SUPPLY
    codes = {shard.engine.code(shard.root, ADDRESS) for shard in token.shards}
    assert len(codes) == 1
    assert len(codes.pop()) > 1000
    assert [token.ask(0, name) for name in ("name", "symbol", "decimals", "supplyEverywhere")] == ["Pebble", "PBL", 18, SUPPLY]
    require_conserved(token)


def test_it_says_which_interfaces_it_has(token):
    mint, burn = (keccak256(f"{name}(address,uint256)".encode())[:4] for name in ("crosschainMint", "crosschainBurn"))
    bridged = bytes(a ^ b for a, b in zip(mint, burn, strict=True))
    assert bridged.hex() == "33331994", "ERC-7802"
    for interface, has in ((bridged, True), (bytes.fromhex("01ffc9a7"), True), (bytes.fromhex("36372b07"), True), (b"\xff" * 4, False)):
        assert token.ask(0, "supportsInterface", interface) is has


def test_it_moves_there_and_back(token):
    price = token.price(0, 1)
    sent = token.move(0, 1, OWNER, BOB, 1000, extra=7)
    assert sent.status == 1
    burned = keccak256(b"CrosschainBurn(address,uint256,address)")
    logs = [log for log in sent.logs if log.topics[0] == burned]
    assert [(log.topics[1][12:], int.from_bytes(log.data, "big")) for log in logs] == [(address(OWNER), 1000)]
    assert token.shards[0].balance(ADDRESS) == 0, "what was too much came back"
    assert price > 0
    assert (held(token, 0, address(OWNER)), token.in_flight(0, 1)) == (SUPPLY - 1000, 1000)
    require_conserved(token)
    arrived = token.deliver(0, 1)
    assert arrived.status == 1
    assert keccak256(b"CrosschainMint(address,uint256,address)") in {log.topics[0] for log in arrived.logs}
    assert (held(token, 1, BOB), token.in_flight(0, 1)) == (1000, 0)
    callback = token.deliver(1, 0)
    assert (callback.status, token.ask(0, "returned", 1)) == (1, 0)
    assert token.ask(0, "departures", token.outcome(0).call_id)[2] == 0
    require_conserved(token)
    assert token.move(0, 1, OWNER, address(1), 50).status == 1
    token.drain()
    assert token.move(1, 2, 1, address(1), 20).status == 1
    token.drain()
    assert [held(token, shard, address(1)) for shard in range(SHARDS)] == [0, 30, 20]
    require_conserved(token)


def test_the_gas_is_enough_twice_over(token):
    token.move(0, 1, OWNER, BOB, 1)
    assert token.deliver(0, 1).gas_used * 2 <= 250_000 * 1.2
    assert token.deliver(1, 0).gas_used * 2 <= 150_000
    token.move(0, 1, OWNER, BOB, 1)
    token.deliver(0, 1, base_fee=DEAR)
    assert token.deliver(1, 0).gas_used * 1.5 <= 150_000


@pytest.mark.parametrize("answer", [*ANSWERS, None])
def test_what_does_not_arrive_returns(answer):
    codes = {1: {ADDRESS: bytes.fromhex(ANSWERS[answer])}} if answer else {}
    token = Peers("token", ARGUMENTS, codes, without=(1,))
    assert token.move(0, 1, OWNER, BOB, 1000).status == 1
    called = token.deliver(0, 1)
    assert called.status == int(answer in ("says nothing", "says something else", None))
    assert token.deliver(1, 0).status == 1
    assert held(token, 0, address(OWNER)) == SUPPLY
    assert (token.ask(0, "sent", 1), token.ask(0, "returned", 1)) == (1000, 1000)
    assert token.ask(0, "totalSupply") == SUPPLY


def test_a_call_that_does_not_run_returns_the_tokens(token):
    token.move(0, 1, OWNER, BOB, 1000)
    assert token.deliver(0, 1, base_fee=DEAR).status == 0
    token.drain()
    assert held(token, 0, address(OWNER)) == SUPPLY
    require_conserved(token)


CHEAP = {"too dear": (lambda receipt: receipt, DEAR), "without gas": (lambda receipt: replace(receipt, gas_limit=0), GWEI)}


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("why", CHEAP)
def test_where_the_callback_fails_anybody_settles_once(token, why, arrives):
    token.move(0, 1, OWNER, BOB, 1000)
    token.deliver(0, 1, base_fee=GWEI if arrives else DEAR)
    assert token.deliver(1, 0, *CHEAP[why]).status == 0
    said = token.outcome(0)
    assert said.success is arrives
    assert held(token, 0, address(OWNER)) == SUPPLY - 1000
    assert token.settle(replace(said, success=not arrives)).status == 0, "not what the result was"
    assert token.settle(replace(said, returned=said.returned + b"\0")).status == 0
    assert token.settle(said).status == 1
    assert token.settle(said).status == 0, "only once"
    assert (held(token, 0, address(OWNER)), held(token, 1, BOB)) == ((SUPPLY - 1000, 1000) if arrives else (SUPPLY, 0))
    require_conserved(token)


def test_what_the_callback_has_settled_cannot_be_settled_again(token):
    token.move(0, 1, OWNER, BOB, 1000)
    token.deliver(0, 1, base_fee=DEAR)
    said = token.outcome(0)
    assert token.settle(said).status == 0, "not before the result is here"
    assert token.deliver(1, 0).status == 1
    assert token.settle(said).status == 0
    assert not token.ask(0, "onCrossShardResult", said.call_id, False, b"", sender=INBOX) == ()
    assert held(token, 0, address(OWNER)) == SUPPLY


def test_nobody_else_mints_burns_or_brings_outcomes(token):
    token.move(0, 1, OWNER, BOB, 1000)
    id = next(iter(token.channels[0, 1])).identity(FIRST_CHAIN)
    for method, arguments in {
        "receiveFrom": (1, BOB, 5), "crosschainMint": (BOB, 5), "crosschainBurn": (address(OWNER), 5),
        "onCrossShardResult": (id, False, b""), "settle": (id, False, b""),
    }.items():  # fmt: skip
        assert token.act(0, 1, method, *arguments).status == 0, method
    require_conserved(token)


@pytest.mark.parametrize(("source", "sender", "claims"), [(0, BOB, 0), (2, ADDRESS, 0), (0, ADDRESS, 2), (0, ADDRESS, 1), (0, ADDRESS, 0)])
def test_only_the_peer_itself_is_believed_and_only_for_its_own_shard(token, source, sender, claims):
    data = token.data("receiveFrom", claims, BOB, 5)
    forged = CrossShardReceipt(source, 1, 0, ReceiptKind.CALL, sender, ADDRESS, 0, 250_000, 250_000 * 2 * GWEI, BOB, data)
    token.channels[source, 1].append(forged)
    is_peer = (sender, source) == (ADDRESS, claims)
    assert token.deliver(source, 1).status == int(is_peer)
    assert held(token, 1, BOB) == 5 * is_peer


def test_a_corrupted_shard_makes_no_more_than_there_is(token):
    fee = 250_000 * 2 * GWEI
    for nonce, amount in enumerate((SUPPLY + 1, SUPPLY, 1)):
        data = token.data("receiveFrom", 0, BOB, amount)
        token.channels[0, 1].append(CrossShardReceipt(0, 1, nonce, ReceiptKind.CALL, ADDRESS, ADDRESS, 0, 250_000, fee, BOB, data))
    assert [token.deliver(0, 1).status for _ in range(3)] == [0, 1, 0]


@pytest.mark.parametrize("case", ["nothing", "nobody", "too much", "own shard", "no such shard", "too little paid"])
def test_what_cannot_be_sent_is_refused_at_once(token, case):
    price = token.price(0, 1) - (case == "too little paid")
    target = {"own shard": 0, "no such shard": 9}.get(case, 1)
    amount = {"nothing": 0, "too much": SUPPLY + 1}.get(case, 5)
    refused = token.act(0, OWNER, "sendTo", target, bytes(20) if case == "nobody" else BOB, amount, value=price)
    assert refused.status == 0
    assert (held(token, 0, address(OWNER)), token.ask(0, "sent", target)) == (SUPPLY, 0)


def reentering(data):
    """Passes on to the token what it is called with; whenever it is paid it calls the token again, with all it has and `data`."""
    call, size = b"\x73" + ADDRESS + b"\x5a\xf1", b"\x61" + len(data).to_bytes(2, "big")
    forward = bytes.fromhex("365f5f375f5f365f34") + call
    head = 5 + len(forward) + 8
    code = b"\x36\x15\x60" + bytes([head]) + b"\x57" + forward + b"\x60" + bytes([head - 2]) + bytes.fromhex("575f5ffd5b00")
    assert len(code) == head
    again = b"\x5b" + size + b"\x61%b\x5f\x39\x5f\x5f" + size + b"\x5f\x47" + call + b"\x50\x00"
    length = len(code) + len(again)
    return code + again.replace(b"%b", length.to_bytes(2, "big")) + data


def test_who_calls_again_when_the_change_is_paid_pays_again(token):
    peers = Peers("token", ARGUMENTS, {0: {HOLDER: reentering(token.data("sendTo", 2, BOB, 3))}})
    peers.act(0, OWNER, "transfer", HOLDER, 100)
    price = peers.price(0, 1)
    outcome = peers.act(0, 1, "sendTo", 1, BOB, 10, value=price * 7 // 2, to=HOLDER)
    assert outcome.status == 1
    assert [len(peers.channels[0, target]) for target in (1, 2)] == [1, 2]
    assert held(peers, 0, HOLDER) == 100 - 10 - 3 - 3
    require_conserved(peers)
    peers.deliver(0, 2, base_fee=DEAR)
    peers.drain()
    assert (held(peers, 0, HOLDER), held(peers, 1, BOB), held(peers, 2, BOB)) == (87, 10, 3)
    require_conserved(peers)


def test_an_allowance_is_used_up_and_the_greatest_is_not(token):
    most = 2**256 - 1
    assert token.act(0, OWNER, "approve", address(1), 5).status == 1
    assert token.act(0, 1, "transferFrom", address(OWNER), BOB, 6).status == 0
    assert token.act(0, 1, "transferFrom", address(OWNER), BOB, 4).status == 1
    assert token.ask(0, "allowance", address(OWNER), address(1)) == 1
    token.act(0, OWNER, "approve", address(1), most)
    token.act(0, 1, "transferFrom", address(OWNER), BOB, 4)
    assert token.ask(0, "allowance", address(OWNER), address(1)) == most
    assert token.act(0, OWNER, "transfer", bytes(20), 4).status == 0
    assert held(token, 0, BOB) == 8


CHANNELS = [(a, b) for a in range(SHARDS) for b in range(SHARDS) if a != b]
ACTIONS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(CHANNELS), st.integers(0, 1), st.integers(0, SUPPLY)),
    st.tuples(st.just("deliver"), st.sampled_from(CHANNELS), st.sampled_from([GWEI, GWEI, DEAR])),
    st.tuples(st.just("settle"), st.integers(0, SHARDS - 1), st.integers(0, 5)),
)


# Shrinking would take minutes: what fails is short enough to read.
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(ACTIONS, min_size=4, max_size=14))
def test_whatever_happens_there_is_as_much_as_there_was(actions):
    token = Peers("token", ARGUMENTS)
    for name, place, *rest in actions:
        if name == "send":
            token.move(*place, rest[0], address(1 - rest[0]), rest[1])
        elif name == "deliver" and token.channels[place]:
            token.deliver(*place, base_fee=rest[0])
        elif name == "settle" and rest[0] < len(token.results.get(place, ())):
            token.settle(token.outcome(place, rest[0]), shard=place)
        require_conserved(token)
    token.drain()
    for shard, results in token.results.items():
        for said in results:
            token.settle(said, shard=shard)
            assert token.ask(shard, "departures", said.call_id)[2] == 0
    assert sum(token.ask(shard, "totalSupply") for shard in range(SHARDS)) == SUPPLY
    assert sum(held(token, shard, address(i)) for shard in range(SHARDS) for i in range(2)) == SUPPLY
