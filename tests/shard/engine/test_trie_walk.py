"""A walk that starts anywhere gives exactly what lies above, and reads nothing that lies wholly below."""

from hypothesis import given
from hypothesis import strategies as st

from primitives.headers import EMPTY_TRIE_ROOT
from shard.engine.trie import Trie

KEYS = st.sets(st.binary(min_size=4, max_size=4), min_size=1, max_size=40)


def stored(keys: set[bytes]) -> tuple[dict[bytes, bytes], bytes]:
    nodes: dict[bytes, bytes] = {}
    trie = Trie(nodes.get, EMPTY_TRIE_ROOT)
    for key in sorted(keys):
        trie.set(key, b"v" * 40 + key)
    root = trie.commit(nodes)
    return nodes, root


@given(KEYS, st.binary(max_size=5))
def test_items_above_a_key(keys: set[bytes], after: bytes) -> None:
    nodes, root = stored(keys)
    assert [key for key, _ in Trie(nodes.get, root).items(after)] == sorted(key for key in keys if key > after)


def test_a_page_near_the_end_reads_a_path_and_not_the_trie() -> None:
    nodes, root = stored({bytes([a, b, 0, 0]) for a in range(64) for b in range(16)})
    reads = 0

    def read(key: bytes) -> bytes | None:
        nonlocal reads
        reads += 1
        return nodes.get(key)

    assert list(Trie(read, root).items(b"\xff\xff\xff\xff")) == []
    assert reads <= 5
