"""BLS signatures of the consensus specification, and the vectors of a second implementation, whose points the EVM maps too."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

from primitives import bls
from primitives.errors import InvalidSignature
from shard.views import CallRequest
from tests.conformance.cases import VECTORS, Case
from tests.shard.engine.support import Shard

NUL_DOMAIN = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_"
MAPS = {"G1": b"\x10".rjust(20, b"\0"), "G2": b"\x11".rjust(20, b"\0")}
"""EIP-2537: the contracts that map a field element to a point."""


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _raws(texts: list[str]) -> tuple[bytes, ...]:
    return tuple(map(_raw, texts))


def _aggregate_verify(given: dict[str, Any]) -> bool:
    function = getattr(bls, "aggregate_verify", None)
    assert function is not None, "primitives.bls has no such function"
    return bool(function(_raws(given["pubkeys"]), _raws(given["messages"]), _raw(given["signature"])))


HANDLERS: dict[str, Callable[[Any], object]] = {
    "sign": lambda given: bls.SecretKey(_raw(given["privkey"])).sign(_raw(given["message"])),
    "verify": lambda given: bls.verify(_raw(given["pubkey"]), _raw(given["message"]), _raw(given["signature"])),
    "aggregate": lambda given: bls.aggregate(_raws(given)),
    "aggregate_verify": _aggregate_verify,
    "fast_aggregate_verify": lambda given: bls.fast_aggregate_verify(
        _raws(given["pubkeys"]), _raw(given["message"]), _raw(given["signature"])
    ),
}


def _consensus(vector: dict[str, Any]) -> None:
    found, wanted = HANDLERS[vector["handler"]](vector["input"]), vector["output"]
    assert found == (_raw(wanted) if isinstance(wanted, str) else wanted)


def consensus_cases() -> list[Case]:
    """One a vector."""
    vectors = json.loads((VECTORS / "bls" / "consensus.json").read_text())
    return [Case(f"{vector['handler']}/{vector['path'].rpartition('/')[2]}", partial(_consensus, vector)) for vector in vectors]


def _signed(key: str, message: str, signature: str) -> None:
    secret = int(key, 16)
    if secret >= bls.CURVE_ORDER:
        try:
            bls.SecretKey(bytes.fromhex(key))
        except InvalidSignature:
            secret %= bls.CURVE_ORDER
        else:
            raise AssertionError("a key above the curve order was taken")
    with mock.patch.object(bls, "SIGNATURE_DOMAIN", NUL_DOMAIN):
        assert bls.SecretKey(secret.to_bytes(32, "big")).sign(bytes.fromhex(message)).hex() == signature


def _mapped(group: str, vector: dict[str, Any]) -> None:
    shard = Shard()
    request = CallRequest(bytes(20), MAPS[group], None, b"", b"", bytes.fromhex(vector["Input"]))
    outcome = shard.engine.call(shard.root, shard.context(), request)
    assert outcome.success, outcome.error
    assert outcome.output.hex() == vector["Expected"]


def noble_cases() -> list[Case]:
    """Signatures, keys above the curve order reduced as they do it; and points that the EVM's contracts map to."""
    lines = [line.split(":") for line in (VECTORS / "bls" / "noble_g2.txt").read_text().split()]
    found = [Case(f"g2-{i // 100}/{i}", partial(_signed, *line)) for i, line in enumerate(lines)]
    for group, vectors in json.loads((VECTORS / "bls" / "noble_eip2537.json").read_text()).items():
        found += [Case(f"eip2537/{group}-{vector['Name']}", partial(_mapped, group, vector)) for vector in vectors]
    return found
