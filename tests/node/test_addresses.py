"""Addresses: only a connection's own host is told, only what can be an address is dialled, and only so many."""

import pytest

from node.addresses import LEARNED_SECONDS_MAX, AddressBook, announced_port
from p2p.adapter.identity import check_peer_id
from p2p.messages import PEERS_PER_RESPONSE_MAX, KnownPeer, KnownPeers
from p2p.network import LEARNED_PEERS_MAX, PeerAddress, PeerId
from primitives.errors import EncodingReason, Fault, InvalidEncoding

ALICE = PeerId("16Uiu2HAmEPSp55Rca5gDQNfxDGC1566bWWxJyRqCatgMQS8z1zjc")
ROW = KnownPeer(b"10.0.0.9", 9000, ALICE.encode())


class Network:
    def __init__(self, **connected: str) -> None:
        self.connected = {PeerId(peer): host for peer, host in connected.items()}
        self.dialled: list[PeerAddress] = []

    def peers(self) -> list[PeerId]:
        return sorted(self.connected)

    def address_of(self, peer: PeerId) -> str | None:
        return self.connected.get(peer)

    def learn(self, address: PeerAddress) -> bool:
        if len(self.dialled) >= LEARNED_PEERS_MAX or address in self.dialled:
            return False
        self.dialled.append(address)
        return True

    def unlearn(self, peer: PeerId) -> None:
        self.dialled = [address for address in self.dialled if address.peer_id != peer]


def book(network: Network, *kept: PeerAddress, check=check_peer_id) -> AddressBook:
    return AddressBook(network, kept, check)


def hosts(answer: KnownPeers) -> list[str]:
    return sorted(f"{row.host.decode()}:{row.port}:{row.peer_id.decode()}" for row in answer.peers)


def test_a_peer_is_told_of_with_the_host_of_its_connection_and_the_port_it_announced() -> None:
    network = Network(asker="10.0.0.1", b="10.0.0.2", silent="10.0.0.3", kept="10.0.0.4")
    ours = book(network, PeerAddress("a-name", 9004, PeerId("kept")), check=PeerId)
    ours.announce(PeerId("b"), 9002)
    ours.announce(PeerId("asker"), 9001)
    ours.announce(PeerId("nobody"), 9009)
    assert hosts(ours.known(PeerId("asker"))) == ["10.0.0.2:9002:b", "10.0.0.4:9004:kept"]
    ours.announce(PeerId("b"), 0)
    assert hosts(ours.known(PeerId("asker"))) == ["10.0.0.2:9002:b", "10.0.0.4:9004:kept"]
    del network.connected[PeerId("b")]
    assert hosts(ours.known(PeerId("asker"))) == ["10.0.0.4:9004:kept"]


def test_this_machines_own_addresses_are_for_this_machine() -> None:
    network = Network(
        near="127.0.0.1", other="::ffff:127.0.0.1", far="10.0.0.1", mapped="::ffff:10.0.0.2", public="8.8.8.8", link="fe80::1%eth0"
    )
    ours = book(network, check=PeerId)
    for peer in network.peers():
        ours.announce(peer, 9000)
    private = ["10.0.0.1:9000:far", "10.0.0.2:9000:mapped"]
    assert hosts(ours.known(PeerId("near"))) == [*private, "127.0.0.1:9000:other", "8.8.8.8:9000:public"]
    assert hosts(ours.known(PeerId("other"))) == [*private, "127.0.0.1:9000:near", "8.8.8.8:9000:public"]
    assert hosts(ours.known(PeerId("far"))) == ["10.0.0.2:9000:mapped", "8.8.8.8:9000:public"]
    assert hosts(ours.known(PeerId("public"))) == []
    assert hosts(ours.known(PeerId("gone meanwhile"))) == ["8.8.8.8:9000:public"]


@pytest.mark.parametrize(
    ("host", "believed_of"),
    [
        (b"127.0.0.1", {"machine"}), (b"::1", {"machine"}), (b"::ffff:127.0.0.1", {"machine"}), (b"127.9.9.9", {"machine"}),
        (b"10.0.0.9", {"machine", "site"}), (b"::ffff:192.168.0.1", {"machine", "site"}), (b"100.64.0.1", {"machine", "site"}),
        (b"fd00::1", {"machine", "site"}), (b"8.8.8.8", {"machine", "site", "world", "gone"}),
        (b"2606:4700::1", {"machine", "site", "world", "gone"}),
    ],
)  # fmt: skip
def test_nobody_far_away_sends_us_to_addresses_of_our_own_surroundings_nor_is_blamed_for_them(host: bytes, believed_of: set[str]) -> None:
    for teller in ("machine", "site", "world", "gone"):
        network = Network(machine="::ffff:127.0.0.1", site="10.0.0.5", world="9.9.9.9")
        told = KnownPeers((KnownPeer(host, 9000, ALICE.encode()),))
        assert book(network).learn(PeerId(teller), told, 0.0) == (teller in believed_of) == bool(network.dialled)


def test_nothing_is_told_that_its_hearer_would_refuse() -> None:
    stranger_keys = ["12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"]
    network = Network(**{ALICE: "10.0.0.1"} | dict.fromkeys(stranger_keys, "10.0.0.2"))
    ours = book(network)
    for peer in network.peers():
        ours.announce(peer, 4001)
    answer = ours.known(PeerId("asker"))
    assert hosts(answer) == []
    network.connected[PeerId("asker")] = "10.0.0.3"
    answer = ours.known(PeerId("asker"))
    assert hosts(answer) == [f"10.0.0.1:4001:{ALICE}"]
    network.connected[ALICE] = "fe80::1%eth0"
    assert hosts(ours.known(PeerId("asker"))) == []
    hearer = Network(teller="10.0.0.7")
    assert book(hearer).learn(PeerId("teller"), answer, 0.0)


def test_no_more_is_told_than_an_answer_holds_and_everybody_has_a_turn() -> None:
    network = Network(**{f"peer{i:03}": "10.0.0.1" for i in range(3 * PEERS_PER_RESPONSE_MAX)})
    network.connected[PeerId("asker")] = "10.0.0.2"
    ours = book(network, check=PeerId)
    for peer in network.peers():
        ours.announce(peer, 9000)
    told: set[str] = set()
    for _ in range(4 * PEERS_PER_RESPONSE_MAX):
        answer = ours.known(PeerId("asker"))
        assert len(answer.peers) == PEERS_PER_RESPONSE_MAX
        told |= set(hosts(answer))
    assert len(told) == 3 * PEERS_PER_RESPONSE_MAX


@pytest.mark.parametrize(
    "row",
    [
        KnownPeer(b"example.org", 9000, ALICE.encode()), KnownPeer(b"", 9000, ALICE.encode()), KnownPeer(b"\xff\xfe", 9000, ALICE.encode()),
        KnownPeer(b"0.0.0.0", 9000, ALICE.encode()), KnownPeer(b"::", 9000, ALICE.encode()), KnownPeer(b"224.0.0.1", 9000, ALICE.encode()),
        KnownPeer(b"fe80::1%eth0", 9000, ALICE.encode()), KnownPeer(b"fe80::1", 9000, ALICE.encode()),
        KnownPeer(b"169.254.169.254", 9000, ALICE.encode()), KnownPeer(b"::ffff:169.254.169.254", 9000, ALICE.encode()),
        KnownPeer(b"::ffff:0.0.0.0", 9000, ALICE.encode()), KnownPeer(b"255.255.255.255", 9000, ALICE.encode()),
        KnownPeer(b"::ffff:224.0.0.1", 9000, ALICE.encode()), KnownPeer(b"::127.0.0.1", 9000, ALICE.encode()),
        KnownPeer(b"10.0.0.1", 0, ALICE.encode()), KnownPeer(b"10.0.0.1", 65_536, ALICE.encode()),
        KnownPeer(b"10.0.0.1", 9000, b""), KnownPeer(b"10.0.0.1", 9000, b"\xff" * 40), KnownPeer(b"10.0.0.1", 9000, b"1" * 64),
        KnownPeer(b"10.0.0.1", 9000, ALICE[:-1].encode()), KnownPeer(b"10.0.0.1", 9000, b"QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_address_is_passed_over_and_the_tellers_fault_where_it_is_all_there_is(row: KnownPeer) -> None:
    network = Network(teller="10.0.0.5")
    with pytest.raises(InvalidEncoding) as refusal:
        book(network).learn(PeerId("teller"), KnownPeers((row, row)), 0.0)
    assert (refusal.value.reason, refusal.value.fault) == (EncodingReason.MALFORMED, Fault.PEER)
    assert network.dialled == []
    assert book(network).learn(PeerId("teller"), KnownPeers((row, ROW)), 0.0)
    assert network.dialled == [PeerAddress("10.0.0.9", 9000, ALICE)]


def test_one_who_knows_nobody_is_not_blamed() -> None:
    assert not book(Network(teller="10.0.0.5")).learn(PeerId("teller"), KnownPeers(()), 0.0)


def test_a_stored_address_that_is_none_is_passed_over_at_the_start() -> None:
    network = Network()
    book(network).restore(KnownPeers((KnownPeer(b"fe80::1", 9000, ALICE.encode()), ROW)).encode(), 0.0)
    assert network.dialled == [PeerAddress("10.0.0.9", 9000, ALICE)]


def test_a_port_that_does_not_exist_is_the_announcers_fault() -> None:
    with pytest.raises(InvalidEncoding) as refusal:
        book(Network(peer="10.0.0.1")).announce(PeerId("peer"), 65_536)
    assert refusal.value.fault is Fault.PEER


def test_what_is_learned_survives_a_restart_and_is_given_up_when_it_is_long_away() -> None:
    network = Network(teller="10.0.0.5")
    ours = book(network)
    assert ours.learn(PeerId("teller"), KnownPeers((ROW,)), 0.0)
    assert not ours.learn(PeerId("teller"), KnownPeers((ROW,)), 1.0)
    later = Network()
    again = book(later)
    again.restore(ours.encode(), 1000.0)
    assert later.dialled == [PeerAddress("10.0.0.9", 9000, ALICE)]
    later.connected[ALICE] = "10.0.0.9"
    again.tend(1000.0 + 2 * LEARNED_SECONDS_MAX)
    assert later.dialled
    later.connected.clear()
    again.tend(1000.0 + 3 * LEARNED_SECONDS_MAX)
    assert later.dialled
    again.tend(1001.0 + 3 * LEARNED_SECONDS_MAX)
    assert later.dialled == []
    assert KnownPeers.decode(again.encode()).peers == ()


def test_there_is_room_for_so_many_and_no_more() -> None:
    network = Network(teller="10.0.0.5")
    ours = book(network, check=PeerId)
    rows = tuple(KnownPeer(b"10.0.0.1", 9000, f"peer{i}".encode()) for i in range(PEERS_PER_RESPONSE_MAX))
    assert ours.learn(PeerId("teller"), KnownPeers(rows), 0.0)
    assert len(network.dialled) == LEARNED_PEERS_MAX


@pytest.mark.parametrize(
    ("listen_host", "peer_host", "told"),
    [
        ("127.0.0.1", "127.0.0.1", 9000), ("127.0.0.1", "10.0.0.1", 0), ("localhost", "10.0.0.1", 0), ("::1", "10.0.0.1", 0),
        ("0.0.0.0", "10.0.0.1", 9000), ("node-0", "10.0.0.1", 9000), ("10.0.0.7", "127.0.0.1", 9000), ("127.0.0.1", None, 0),
        ("::ffff:127.0.0.1", "10.0.0.1", 0), ("127.0.0.1", "::ffff:127.0.0.1", 9000),
    ],
)  # fmt: skip
def test_a_port_that_only_this_machine_reaches_is_told_to_this_machine(listen_host: str, peer_host: str | None, told: int) -> None:
    assert announced_port(listen_host, 9000, peer_host) == told
