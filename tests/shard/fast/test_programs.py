"""What is kept of translated programs: what runs still may have been forgotten meanwhile."""

from shard.engine.fast import programs as module
from shard.engine.fast.programs import Programs

LOOP = bytes.fromhex("5b600160020160030150600056")


def code(number: int) -> bytes:
    """A loop of its own for each number."""
    return LOOP + bytes([number])


def test_a_program_forgotten_while_it_runs_is_translated_no_further_and_the_books_stay_right(monkeypatch):
    programs = Programs(hot_runs=0, run_per_translated=0)
    running = programs.of(code(0))
    assert programs.come_to(running, 0) is not None
    size = running.translated_size
    monkeypatch.setattr(module, "TRANSLATED_SIZE_MAX", 2 * size)
    for number in range(1, 5):
        assert programs.come_to(programs.of(code(number)), 0) is not None
    assert programs.forgotten == 3
    for place in range(1, len(LOOP)):
        assert programs.come_to(running, place) is None
    assert programs._translated_size == sum(program.translated_size for program in programs._programs.values()) == 2 * size
    assert programs.come_to(programs.of(code(0)), 0) is not None, "known anew"
