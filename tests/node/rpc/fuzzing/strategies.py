"""Arguments that fit a schema, nearly fit one, or are any JSON at all."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from tests.node.rpc.fuzzing.schemas import Schema, parameters, resolve

DEPTH_MAX = 8
"""Of schemas within schemas."""
KNOWN = [
    "0x7dcd17433742f4c0ca53122ab541d0ba67fc27df",
    "0x9344b07175800259691961298ca11c824e65032d",
    "0xeda8645ba6948855e3b3cd596bbb07596d59c603",
    "0x0ee3ab1371c93e7c0c281cc0c2107cdebc8b1930",
    "0x0000000000000000000000000000000000000004",
    "0x0000000000000000000000000000000000000009",
    "0xc1d605c6612a5fe84dc95810030bfe5b1d327652b381bc695e28f50d13b2b09e",
    "0x99f7e58af4dd2735931a3262705fbe57ea2fcc79497668f74309cdeaf37cc223",
    "0x80e911b62f552f563a2544dfef5eb39ec8863d9082c998ca6b657f76e19de38e",
    "0xe4165d5a6e4d31469f4a9354c30bffec633a640940b40bc0bc1ae86d1b391643",
    "latest",
    "earliest",
    "pending",
    "safe",
    "finalized",
    "0x0",
    "0x1",
    "0x2d",
    "0x2f",
    "0x30",
    "0xffffffffffffffff",
    "0x" + "f" * 64,
]
"""Accounts, transactions, blocks and numbers that the chain of the tests has, and some that are just beyond."""
TEXT = st.one_of(st.sampled_from(KNOWN), st.text(max_size=40), st.from_regex(r"\A0x[0-9a-fA-F]{0,80}\Z"), st.just("0x" + "00" * 5000))
NUMBERS = st.one_of(
    st.integers(-2, 100),
    st.sampled_from([2**31, 2**53 + 1, 2**64, 2**256, -(2**63), 10**40]),
    st.floats(allow_nan=False, allow_infinity=False),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


def fitting(schema: Schema, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that a schema allows, and now and then one that it does not."""
    schema = resolve(schema)
    if depth > DEPTH_MAX:
        return ANYTHING
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        return st.one_of([fitting(choice, depth + 1) for choice in choices])
    if "allOf" in schema:
        return fitting({"type": "object"} | {k: v for part in schema["allOf"] for k, v in resolve(part).items()}, depth + 1)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _of_type(schema, depth)


def _of_type(schema: Schema, depth: int) -> st.SearchStrategy[Any]:
    match schema.get("type"):
        case "object":
            return _object(schema, depth)
        case "array":
            return st.lists(_now_and_then_wrong(schema.get("items", {}), depth), max_size=4)
        case "string":
            known = [value for value in KNOWN if "pattern" not in schema or _fits(schema["pattern"], value)]
            made = st.from_regex(schema["pattern"]) if "pattern" in schema else TEXT
            return st.one_of(st.sampled_from(known), made) if known else made
        case "boolean":
            return st.booleans()
        case "integer" | "number":
            return st.integers(schema.get("minimum", 0), schema.get("maximum", 2**64))
        case "null":
            return st.none()
    return ANYTHING


def _fits(pattern: str, value: str) -> bool:
    return re.search(pattern, value) is not None


def _object(schema: Schema, depth: int) -> st.SearchStrategy[Any]:
    properties = {name: _now_and_then_wrong(part, depth) for name, part in schema.get("properties", {}).items()}
    required = {name: properties.pop(name) for name in schema.get("required", []) if name in properties}
    others = schema.get("additionalProperties")
    fixed = st.fixed_dictionaries(required, optional=properties)
    if isinstance(others, dict):
        free = st.dictionaries(st.sampled_from(KNOWN), _now_and_then_wrong(others, depth), max_size=3)
        return st.builds(lambda one, two: two | one, fixed, free)
    return fixed


def _now_and_then_wrong(schema: Schema, depth: int) -> st.SearchStrategy[Any]:
    right = fitting(schema, depth + 1)
    return st.integers(0, 15).flatmap(lambda dice: ANYTHING if dice == 0 else right)


def arguments(method: str) -> st.SearchStrategy[Any]:
    """`params` of a call."""
    parts = [_now_and_then_wrong(schema, 0) for schema in parameters()[method]]
    whole = st.tuples(*parts).map(list)
    shorter = st.builds(lambda values, count: values[:count], whole, st.integers(0, len(parts)))
    return st.one_of(whole, whole, whole, shorter, st.lists(ANYTHING, max_size=len(parts) + 1), ANYTHING)
