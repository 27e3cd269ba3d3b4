"""Reading logs: across the parts that were set aside, by time, in both formats, and on from there."""

import os
from itertools import islice
from pathlib import Path

import pytest

from node.cluster import logfiles
from node.cluster.layout import Layout
from node.cluster.logfiles import Follower, has_said, parse_line, read_lines
from node.logs import RotatingFile


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    for node in range(2):
        Layout(tmp_path).node(node).mkdir()
    return Layout(tmp_path)


def at(second: int, text: str) -> str:
    return f"2026-01-01T00:00:{second:02d}.000Z info    {text}\n"


def texts(layout: Layout, count: int, *nodes: int) -> list[str]:
    return [f"{line.node} {line.text.rpartition(' ')[2]}" for line in read_lines(layout, nodes, count)]


def test_lines_come_from_all_parts_of_a_log(layout: Layout) -> None:
    file = RotatingFile(layout.log(0), bytes_max=100, files_max=4)
    for number in range(12):
        file.write(at(number, f"n{number}").encode())
    file.close()
    assert layout.log(0).with_name("node.log.3").exists()
    assert texts(layout, 5, 0) == [f"0 n{number}" for number in range(7, 12)]
    assert texts(layout, 100, 0)[-1] == "0 n11"
    assert texts(layout, 0, 0) == []


def test_nodes_are_merged_by_time_and_what_has_no_time_stays_where_it_was_said(layout: Layout) -> None:
    layout.log(0).write_text(at(1, "a") + at(3, "fault") + "Traceback:\n  KeyError\n" + at(5, "b"))
    layout.log(1).write_text('{"time": "2026-01-01T00:00:02.000Z", "event": "x"}\n' + at(3, "c") + at(4, "d"))
    assert texts(layout, 50, 0, 1) == ["0 a", '1 "x"}', "0 fault", "0 Traceback:", "0 KeyError", "1 c", "1 d", "0 b"]


def test_what_a_process_printed_stands_where_it_ended(layout: Layout) -> None:
    layout.log(0).write_text(at(1, "a") + at(9, "z"))
    layout.output(0).write_text("Fatal error\n")
    os.utime(layout.output(0), (0, 1_767_225_605))
    assert texts(layout, 50, 0) == ["0 a", "0 error", "0 z"]


def test_who_has_said_something(layout: Layout) -> None:
    assert not has_said(layout, 0)
    layout.log(0).touch()
    layout.output(0).touch()
    assert not has_said(layout, 0)
    layout.output(0).write_text("error: x")
    assert has_said(layout, 0)


def test_following_goes_on_through_a_part_that_is_set_aside(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfiles, "FOLLOW_SECONDS", 0)
    file = RotatingFile(layout.log(0), bytes_max=30, files_max=2)
    file.write(b"before\n")
    follower = Follower(layout, [0, 1])
    file.write(b"half")
    file.write(b" line\nnext")
    file.write(b" one\n")
    layout.log(1).write_text("other\n")
    file.write(b"in a new part\n")
    file.close()
    assert sorted(islice(follower.lines(), 4)) == [(0, "half line"), (0, "in a new part"), (0, "next one"), (1, "other")]
    follower.close()


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00.000Z info", '{"time": "cut off', '{"time": ' + "[" * 100_000, '["time"]', "{}"])
def test_a_line_that_is_no_object_of_the_log_stays_text(text: str) -> None:
    assert parse_line(text) == text


def test_an_object_of_the_log_is_one() -> None:
    assert parse_line('{"time": "2026-01-01T00:00:00.000Z", "height": 7}') == {"time": "2026-01-01T00:00:00.000Z", "height": 7}
