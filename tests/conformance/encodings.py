"""RLPTests, TrieTests and what of BasicTests of ethereum/tests is about code of ours."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import coincurve

from primitives.errors import InvalidTransaction
from primitives.hashing import keccak256
from shard.engine import trie
from shard.transactions import Signature, decode_transaction, recover_sender, signatures, signing_hash
from shard.transactions.rlp import encode_list, encode_number, encode_text, malformed, split
from tests.conformance.cases import VECTORS, Case

FOLDER = VECTORS / "ethereum_tests"


def _load(file: str) -> Any:
    return json.loads((FOLDER / file).read_text())


def _plain(value: Any) -> Any:
    """A value of the vectors as bytes, numbers being in their shortest form."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and not value.startswith("#"):
        return value.encode("latin-1")
    number = int(value[1:]) if isinstance(value, str) else value
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _encode(value: Any) -> bytes:
    if isinstance(value, list):
        return encode_list(b"".join(map(_encode, value)))
    if isinstance(value, int):
        return encode_number(value)
    return encode_text(_plain(value))


def _decode(raw: bytes) -> Any:
    """The one item that `raw` is, lists and all."""

    def item(start: int, end: int, is_list: bool) -> Any:
        return [item(*span) for span in split(raw, start, end)] if is_list else raw[start:end]

    found = split(raw, 0, len(raw))
    if len(found) != 1:
        raise malformed("rlp: not exactly one item")
    return item(*found[0])


def _valid_rlp(given: Any, raw: bytes) -> None:
    assert _encode(given) == raw
    assert _decode(raw) == _plain(given)


def _well_formed(raw: bytes) -> None:
    def again(value: Any) -> bytes:
        return encode_list(b"".join(map(again, value))) if isinstance(value, list) else encode_text(value)

    assert again(_decode(raw)) == raw


def _invalid_rlp(raw: bytes) -> None:
    try:
        found = _decode(raw)
    except InvalidTransaction:
        return
    raise AssertionError(f"read as {found!r}")


def rlp_cases() -> list[Case]:
    """RLPTests: what is valid both ways, what is not is refused."""
    found = []
    for name, vector in _load("RLPTests/rlptest.json").items():
        found.append(Case(f"rlptest/{name}", partial(_valid_rlp, vector["in"], bytes.fromhex(vector["out"][2:]))))
    for file in ("invalidRLPTest", "RandomRLPTests/example"):
        for name, vector in _load(f"RLPTests/{file}.json").items():
            check = {"INVALID": _invalid_rlp, "VALID": _well_formed}[vector["in"]]
            found.append(Case(f"{file.replace('/', '-')}/{name}", partial(check, bytes.fromhex(vector["out"].removeprefix("0x")))))
    return found


def _text(value: str) -> bytes:
    return bytes.fromhex(value[2:]) if value.startswith("0x") else value.encode()


def _root(given: Any, root: str, hashed: bool) -> None:
    pairs = list(given.items()) if isinstance(given, dict) else given
    for order in [pairs, pairs[::-1]] if isinstance(given, dict) else [pairs]:
        nodes: dict[bytes, bytes] = {}
        built, held = trie.Trie(nodes.get), dict[bytes, bytes]()
        for key, value in order:
            place = keccak256(_text(key)) if hashed else _text(key)
            built.set(place, b"" if value is None else _text(value))
            held[place] = b"" if value is None else _text(value)
        found = built.commit(nodes)
        assert found.hex() == root.removeprefix("0x")
        again = trie.Trie(nodes.get, found)
        assert {place: again.get(place) or b"" for place in held} == held


def _next(keys: list[str], after: str, wanted: str) -> None:
    """The first key above another, as a walk that begins there finds it."""
    built = trie.Trie({}.get)
    for key in keys:
        built.set(key.encode(), b"x")
    assert next((key.decode() for key, _ in built.items(after.encode())), "") == wanted


def trie_cases() -> list[Case]:
    """TrieTests: roots, of keys in every order where that is allowed, read back from the stored nodes; and walks."""
    found = []
    for path in sorted((FOLDER / "TrieTests").glob("*.json")):
        for name, vector in json.loads(path.read_text()).items():
            if "root" in vector:
                check = partial(_root, vector["in"], vector["root"], "secure" in path.stem.lower())
                found.append(Case(f"{path.stem}/{name}", check))
                continue
            for key, _, after in vector["tests"]:
                found.append(Case(f"{path.stem}/{name}-{key}", partial(_next, vector["in"], key, after)))
    return found


def _compact(vector: dict[str, Any]) -> None:
    path, raw = bytes(vector["seq"]), bytes.fromhex(vector["out"])
    assert trie._compact(path, vector["term"]) == raw
    assert trie.expand(raw) == (path, vector["term"])


def _address(secret: str) -> bytes:
    return keccak256(coincurve.PrivateKey(bytes.fromhex(secret)).public_key.format(compressed=False)[1:])[12:]


def _key(vector: dict[str, Any]) -> None:
    assert keccak256(vector["seed"].encode()).hex() == vector["key"]
    assert _address(vector["key"]).hex() == vector["addr"]


def _signature(vector: dict[str, Any]) -> None:
    v, r, s = (int(vector["sig_of_emptystring"][name]) for name in "vrs")
    assert signatures._recover(keccak256(b""), Signature(v - 27, r, s)) == bytes.fromhex(vector["addr"])


def _signed(vector: dict[str, Any]) -> None:
    transaction = decode_transaction(bytes.fromhex(vector["signed"]))
    assert (transaction.nonce, transaction.gas_limit, transaction.value) == (vector["nonce"], vector["startgas"], vector["value"])
    assert (transaction.max_fee_per_gas, transaction.to or b"") == (vector["gasprice"], bytes.fromhex(vector["to"]))
    assert transaction.data == bytes.fromhex(vector["data"])
    # The file gives what is signed with three empty fields in place of the signature; before EIP-155 those were left out.
    fields = _decode(bytes.fromhex(vector["unsigned"]))[:6]
    assert signing_hash(transaction) == keccak256(encode_list(b"".join(map(encode_text, fields))))
    assert recover_sender(transaction) == _address(vector["key"])


def basic_cases() -> list[Case]:
    """Paths of a trie in their compact form, keys and addresses, a transaction's bytes."""
    found = [Case(f"hexencodetest/{name}", partial(_compact, vector)) for name, vector in _load("BasicTests/hexencodetest.json").items()]
    for vector in _load("BasicTests/keyaddrtest.json"):
        found.append(Case(f"keyaddrtest/{vector['seed']}", partial(_key, vector)))
        found.append(Case(f"keyaddrtest/{vector['seed']}-signature", partial(_signature, vector)))
    return found + [Case(f"txtest/{i}", partial(_signed, vector)) for i, vector in enumerate(_load("BasicTests/txtest.json"))]
