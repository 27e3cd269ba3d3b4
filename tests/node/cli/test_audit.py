import json
from typing import Any

import pytest

from node.cli import audit as module
from tests.node.cli.fake_rpc import FakeClient
from tests.node.cli.test_commands import run

BEACON = {"number": "0x9", "hash": "0x" + "ab" * 32}
PAGES = {
    None: {"accounts": "0x2", "sum": hex(70), "next": "0x" + "01" * 32},
    "0x" + "01" * 32: {"accounts": "0x1", "sum": hex(30), "next": None},
}


def supply(**changes: Any) -> dict[str, Any]:
    terms = {
        "beacon": BEACON, "shards": [hex(100), hex(100)], "inFlight": [{"source": "0x0", "destination": "0x1", "value": hex(5)}],
        "stakes": hex(40),
        "unclaimed": hex(3), "feePool": hex(2), "treasury": hex(1), "genesis": hex(260), "issued": "0x0", "burned": hex(9),
    }  # fmt: skip
    return terms | changes


def audit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **answers: Any) -> tuple[int, dict[str, Any], FakeClient]:
    heads = BEACON | {"crosslinks": [{"number": "0x4"}, {"number": "0x6"}]}
    usual = {"shard_getSupply": supply, "beacon_getHead": lambda: heads, "shard_getAccountsPage": lambda number, after, count: PAGES[after]}
    fake = FakeClient(usual | answers)
    monkeypatch.setattr(module, "open_client", lambda *a: fake)
    code = run("audit", "--json")
    return code, json.loads(capsys.readouterr().out), fake


def test_all_adds_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, report, fake = audit(monkeypatch, capsys)
    assert code == 0
    assert report["ok"]
    assert [(shard["block"], shard["accounts"], shard["sum"]) for shard in report["shards"]] == [(4, 3, "100"), (6, 3, "100")]
    walked = [(arguments[0], path) for method, arguments, path in fake.asked if method == "shard_getAccountsPage"]
    assert walked == [("0x4", "/shard/0")] * 2 + [("0x6", "/shard/1")] * 2


def test_accounts_that_hold_less_than_recorded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, report, _ = audit(monkeypatch, capsys, shard_getSupply=lambda: supply(shards=[hex(100), hex(101)], genesis=hex(261)))
    assert code == 1
    assert [shard["ok"] for shard in report["shards"]] == [True, False]
    assert report["terms"]["imbalance"] == "0"


@pytest.mark.parametrize("term", ["stakes", "unclaimed", "feePool", "treasury", "genesis", "issued", "burned"])
def test_every_term_counts(term: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    more = hex(int(supply()[term], 16) + 1)
    code, report, _ = audit(monkeypatch, capsys, shard_getSupply=lambda: supply(**{term: more}))
    assert code == 1
    assert abs(int(report["terms"]["imbalance"])) == 1


def test_value_in_flight_counts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(monkeypatch, capsys, shard_getSupply=lambda: supply(inFlight=[]))[0] == 1


def test_supply_and_crosslinks_of_one_block(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    older = iter([supply(beacon={"number": "0x8", "hash": "0x00"}), supply()])
    code, _, fake = audit(monkeypatch, capsys, shard_getSupply=lambda: next(older))
    assert code == 0
    assert [method for method, _, _ in fake.asked].count("shard_getSupply") == 2
