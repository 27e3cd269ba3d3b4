"""The part of JSON Schema that the execution API specification uses, and what its methods give back."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

from tests.conformance.cases import VECTORS

SOURCES = VECTORS / "execution-apis" / "src"
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "array": list, "object": dict, "boolean": bool, "null": type(None), "number": (int, float), "integer": int,
}  # fmt: skip


@cache
def schemas() -> dict[str, Any]:
    """By name."""
    files = sorted((SOURCES / "schemas").glob("*.yaml"))
    return {name: schema for file in files for name, schema in yaml.safe_load(file.read_text()).items()}


@cache
def results() -> dict[str, Any]:
    """Schema of each method's result."""
    files = [file for folder in ("eth", "debug", "txpool") for file in sorted((SOURCES / folder).glob("*.yaml"))]
    return {method["name"]: method["result"]["schema"] for file in files for method in yaml.safe_load(file.read_text())}


def problems(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """What of a schema does not hold."""
    if "$ref" in schema:
        return problems(value, schemas()[schema["$ref"].rpartition("/")[2]], where)
    found = []
    if "type" in schema and (not isinstance(value, TYPES[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean")):
        return [f"{where}: {value!r} is no {schema['type']}"]
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{where}: {value!r} is not {schema['pattern']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r} is not {schema['const']!r}")
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{where}: {value!r} is out of its range")
    for part in schema.get("allOf", []):
        found += problems(value, part, where)
    if "not" in schema and not problems(value, schema["not"], where):
        found.append(f"{where}: {value!r} is what it must not be")
    for keyword in ("oneOf", "anyOf"):
        if keyword in schema:
            tried = [problems(value, option, where) for option in schema[keyword]]
            matching = sum(not t for t in tried)
            if not matching or (keyword == "oneOf" and matching > 1):
                found.append(f"{where}: {matching} of {keyword} match: {tried}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += problems(item, schema["items"], f"{where}[{i}]")
    if isinstance(value, dict):
        found += _members(value, schema, where)
    return found


def _members(value: dict[str, Any], schema: dict[str, Any], where: str) -> list[str]:
    properties, patterns, others = schema.get("properties", {}), schema.get("patternProperties", {}), schema.get("additionalProperties")
    found = [f"{where}: no {name}" for name in schema.get("required", []) if name not in value]
    for name, member in value.items():
        parts = [properties[name]] if name in properties else [part for pattern, part in patterns.items() if re.search(pattern, name)]
        if not parts and others is False:
            found.append(f"{where}: {name} is unknown")
        elif not parts and isinstance(others, dict):
            parts = [others]
        for part in parts:
            found += problems(member, part, f"{where}.{name}")
    return found
