"""Swap-or-not shuffle: a permutation drawn from a seed, one index at a time (PROTOCOL 3, committees).

Source: consensus-specs, phase0, compute_shuffled_index.
"""

from __future__ import annotations

from primitives.hashing import sha256

SHUFFLE_ROUNDS = 90


def compute_shuffled_index(index: int, count: int, seed: bytes, rounds: int = SHUFFLE_ROUNDS) -> int:
    """Where `index` of `count` elements lands; distinct indices land in distinct places. `seed` has 32 bytes."""
    assert 0 <= index < count <= 1 << 40, "the element is one of them, and its place fits the hashed position"
    for round_number in range(rounds):
        place = seed + bytes([round_number])
        pivot = int.from_bytes(sha256(place)[:8], "little") % count
        flip = (pivot + count - index) % count
        position = max(index, flip)
        source = sha256(place + (position // 256).to_bytes(4, "little"))
        if source[position % 256 // 8] >> position % 8 & 1:
            index = flip
    return index
