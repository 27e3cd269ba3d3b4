"""One table says what every method takes; rpc.discover tells it."""

import pytest

from node.rpc.methods.controls import ALIASES
from node.rpc.methods.registry import EVERYWHERE, SHARD
from node.rpc.methods.signatures import SCHEMAS, SIGNATURES
from tests.node.rpc.fake import Client


def test_every_method_is_in_the_table_and_no_other() -> None:
    assert SIGNATURES.keys() | ALIASES.keys() == SHARD.keys()
    assert not SIGNATURES.keys() & ALIASES.keys()
    assert set(ALIASES.values()) <= SIGNATURES.keys()


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_table_agrees_with_what_is_checked(name: str) -> None:
    taken = SIGNATURES[name].partition("-> ")[0].split()
    optional = [argument.endswith("?") for argument in taken]
    assert optional == sorted(optional), "those that may be left out come last"
    assert (optional.count(False), optional.count(True)) == (SHARD[name].required, SHARD[name].optional)


def test_no_schema_is_left_over() -> None:
    named = {word.removesuffix("?") for row in SIGNATURES.values() for word in row.partition("-> ")[0].split()}
    assert named == SCHEMAS.keys()


async def test_discovery_tells_of_every_method_of_the_address() -> None:
    client = Client()
    told = await client.result("rpc.discover")
    assert told["openrpc"] == "1.3.2"
    assert told["info"]["version"] == "shardnet/test"
    assert [method["name"] for method in told["methods"]] == sorted(SHARD)
    balance = next(method for method in told["methods"] if method["name"] == "eth_getBalance")
    assert [(p["name"], p["required"]) for p in balance["params"]] == [("address", True), ("block", False)]
    assert balance["result"]["schema"] == {"type": "string"}
    beacon = await client.result("rpc.discover", path="/beacon")
    assert [method["name"] for method in beacon["methods"]] == sorted(EVERYWHERE)


async def test_its_results_are_of_the_kinds_it_tells() -> None:
    client = Client()
    kinds = {"string": str, "object": dict, "array": list, "boolean": bool, "number": (int, float), "null": type(None)}
    for method in (await client.result("rpc.discover"))["methods"]:
        if method["params"] and method["params"][0]["required"]:
            continue
        result, told = await client.result(method["name"]), method["result"]["schema"]["type"]
        assert any(isinstance(result, kinds[kind]) for kind in ([told] if isinstance(told, str) else told)), method["name"]
