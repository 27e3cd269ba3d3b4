"""Merkle Patricia tries: roots of lists, and a trie that hashes what changed once per block.

Source: Ethereum yellow paper, appendix D. Keys of a state trie are hashes, so all keys of one trie have the same length
there; list keys are RLP of the index, none a prefix of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import rlp

from primitives.hashing import keccak256
from primitives.headers import EMPTY_TRIE_ROOT
from shard.transactions.rlp import encode_list, encode_number, encode_text

Nibbles = bytes
"""One nibble a byte."""
_PAIRS = [bytes((i >> 4, i & 15)) for i in range(256)]


def to_nibbles(key: bytes) -> Nibbles:
    """The key's half bytes."""
    return b"".join([_PAIRS[b] for b in key])


def _compact(path: Nibbles, is_leaf: bool) -> bytes:
    odd = len(path) & 1
    full = bytes((2 * is_leaf + odd,)) + (b"" if odd else b"\0") + path
    return bytes([full[i] << 4 | full[i + 1] for i in range(0, len(full), 2)])


def expand(compact: bytes) -> tuple[Nibbles, bool]:
    """Path of a stored leaf or extension, and whether it is a leaf."""
    path = to_nibbles(compact)
    return path[2 - (path[0] & 1) :], path[0] >= 2


def _shared(a: Nibbles, b: Nibbles) -> int:
    size = min(len(a), len(b))
    for i in range(size):
        if a[i] != b[i]:
            return i
    return size


class _Short:
    """A leaf (`value` set) or an extension (`child` set)."""

    __slots__ = ("child", "path", "reference", "value")

    def __init__(self, path: Nibbles, value: bytes | None, child: _Any) -> None:
        self.path, self.value, self.child = path, value, child
        self.reference: bytes | None = None


class _Branch:
    __slots__ = ("children", "reference", "value")

    def __init__(self, children: list[_Any], value: bytes) -> None:
        self.children, self.value = children, value
        self.reference: bytes | None = None


class _Stored:
    """A node not read yet; `encoded` is its hash, or its RLP when that is shorter than 32 bytes."""

    __slots__ = ("item",)

    def __init__(self, item: bytes | list[_Item]) -> None:
        self.item = item


_Item = bytes | list["_Item"]
_Any = _Short | _Branch | _Stored | None


class MissingNodeError(AssertionError):
    """A node of a trie we are to work on is not stored: our database lost something."""


class Trie:
    """A trie opened at a root; changes stay in memory until `commit`."""

    def __init__(self, read: Callable[[bytes], bytes | None], root: bytes = EMPTY_TRIE_ROOT) -> None:
        self._read = read
        self._root: _Any = None if root == EMPTY_TRIE_ROOT else _Stored(root)

    def get(self, key: bytes) -> bytes | None:
        """Value of `key`, None when there is none."""
        path = to_nibbles(key)
        node = self._load(self._root)
        self._root = node
        while node is not None:
            if isinstance(node, _Short):
                size = len(node.path)
                if path[:size] != node.path:
                    return None
                path = path[size:]
                if node.value is not None:
                    return None if path else node.value
                child = node.child = self._load(node.child)
            else:
                if not path:
                    return node.value or None
                child = node.children[path[0]] = self._load(node.children[path[0]])
                path = path[1:]
            node = child
        return None

    def set(self, key: bytes, value: bytes) -> None:
        """Sets `key`; an empty value removes it."""
        path = to_nibbles(key)
        self._root = self._insert(self._root, path, value) if value else self._remove(self._root, path)

    def commit(self, writes: dict[bytes, bytes]) -> bytes:
        """The root; nodes that are new go to `writes`."""
        if self._root is None:
            return EMPTY_TRIE_ROOT
        if isinstance(self._root, _Stored):
            assert isinstance(self._root.item, bytes)
            return self._root.item
        encoded = _encode(self._root, writes)
        root = keccak256(encoded)
        writes[root] = encoded
        return root

    def items(self, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """(key, value) pairs by rising key, those above `after` alone; keeps no nodes, and reads none that lie wholly below."""
        yield from self._walk(self._root, b"", bytes(nibble for byte in after for nibble in (byte >> 4, byte & 15)))

    def _walk(self, node: _Any, path: Nibbles, after: Nibbles) -> Iterator[tuple[bytes, bytes]]:
        node = self._load(node)
        if isinstance(node, _Short):
            path += node.path
            if path < after[: len(path)]:
                return
            if node.value is None:
                yield from self._walk(node.child, path, after)
            elif path > after:
                yield bytes([path[i] << 4 | path[i + 1] for i in range(0, len(path), 2)]), node.value
        elif isinstance(node, _Branch):
            assert not node.value, "keys of one length"
            for index, child in enumerate(node.children):
                below = path + bytes((index,))
                if below >= after[: len(below)]:
                    yield from self._walk(child, below, after)

    def _load(self, node: _Any) -> _Short | _Branch | None:
        if not isinstance(node, _Stored):
            return node
        item = node.item
        reference: bytes | None = None
        if isinstance(item, bytes):
            encoded = self._read(item)
            if encoded is None:
                raise MissingNodeError(f"trie node {item.hex()} is not stored")
            reference, item = encode_text(item), rlp.decode(encoded)
        assert isinstance(item, list)
        loaded: _Short | _Branch
        if len(item) == 2:
            compact = item[0]
            assert isinstance(compact, bytes)
            path, is_leaf = expand(compact)
            loaded = _Short(path, bytes(item[1]) if is_leaf else None, None if is_leaf else _Stored(item[1]))  # type: ignore[arg-type]
        else:
            loaded = _Branch([_Stored(child) if child else None for child in item[:16]], bytes(item[16]))  # type: ignore[arg-type]
        loaded.reference = reference
        return loaded

    def _insert(self, node: _Any, path: Nibbles, value: bytes) -> _Any:
        node = self._load(node)
        if node is None:
            return _Short(path, value, None)
        if isinstance(node, _Branch):
            node.reference = None
            if path:
                node.children[path[0]] = self._insert(node.children[path[0]], path[1:], value)
            else:
                node.value = value
            return node
        size = _shared(path, node.path)
        if size == len(node.path):
            node.reference = None
            if node.value is None:
                node.child = self._insert(node.child, path[size:], value)
                return node
            if size == len(path):
                node.value = value
                return node
        branch = _Branch([None] * 16, b"")
        rest = node.path[size:]
        if node.value is None:
            branch.children[rest[0]] = node.child if len(rest) == 1 else _Short(rest[1:], None, node.child)
        elif rest:
            branch.children[rest[0]] = _Short(rest[1:], node.value, None)
        else:
            branch.value = node.value
        if size == len(path):
            branch.value = value
        else:
            branch.children[path[size]] = _Short(path[size + 1 :], value, None)
        return _Short(path[:size], None, branch) if size else branch

    def _remove(self, node: _Any, path: Nibbles) -> _Any:
        node = self._load(node)
        if node is None:
            return None
        if isinstance(node, _Short):
            size = len(node.path)
            if path[:size] != node.path:
                return node
            if node.value is not None:
                return None if len(path) == size else node
            before = node.child = self._load(node.child)
            child = self._remove(before, path[size:])
            if child is before and child is not None and child.reference is not None:
                return node
            return self._join(node.path, child)
        if path:
            before = node.children[path[0]] = self._load(node.children[path[0]])
            if before is None:
                return node
            child = self._remove(before, path[1:])
            node.children[path[0]] = child
            if child is before and child.reference is not None:
                return node
        else:
            node.value = b""
        node.reference = None
        left = [index for index, child in enumerate(node.children) if child is not None]
        if node.value:
            return node if left else _Short(b"", node.value, None)
        if len(left) == 1:
            return self._join(bytes((left[0],)), self._load(node.children[left[0]]))
        return node

    @staticmethod
    def _join(path: Nibbles, child: _Any) -> _Any:
        """What an extension by `path` over `child` becomes."""
        if isinstance(child, _Short):
            return _Short(path + child.path, child.value, child.child)
        return None if child is None else _Short(path, None, child)


def _encode(node: _Short | _Branch, writes: dict[bytes, bytes]) -> bytes:
    if isinstance(node, _Short):
        payload = encode_text(_compact(node.path, node.value is not None))
        payload += encode_text(node.value) if node.value is not None else _refer(node.child, writes)
        return encode_list(payload)
    parts = [b"\x80" if child is None else _refer(child, writes) for child in node.children]
    parts.append(encode_text(node.value))
    return encode_list(b"".join(parts))


def _refer(node: _Any, writes: dict[bytes, bytes]) -> bytes:
    """How a parent holds `node`: its hash, or the node itself when shorter."""
    if isinstance(node, _Stored):
        return encode_text(node.item) if isinstance(node.item, bytes) else bytes(rlp.encode(node.item))
    assert node is not None
    if node.reference is None:
        encoded = _encode(node, writes)
        if len(encoded) < 32:
            return encoded
        digest = keccak256(encoded)
        writes[digest] = encoded
        node.reference = b"\xa0" + digest
    return node.reference


def list_root(values: Sequence[bytes]) -> bytes:
    """Root of the trie of RLP(index) -> value, as transactions and transaction receipts are committed to."""
    trie = Trie(_nothing)
    for index, value in enumerate(values):
        trie.set(encode_number(index), value)
    return trie.commit({})


def _nothing(_key: bytes) -> bytes | None:
    return None
