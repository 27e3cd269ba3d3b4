"""Which time a block gets where a developer may want another than the clock's."""

from node.core.times import BlockTimes


def test_the_clock_gives_the_time_of_a_block_nobody_asked_for():
    assert BlockTimes().of_child(7, 1_000, 1_005, is_mined=False, has_work=False) == 1_005


def test_mined_blocks_are_apart_but_the_first_goes_by_the_clock():
    times = BlockTimes()
    times.space(7, 60)
    assert times.of_child(7, 1_000, 1_005, is_mined=True, has_work=False) == 1_005
    assert times.of_child(8, 1_005, 1_005, is_mined=True, has_work=False) == 1_065
    assert times.of_child(9, 1_065, 1_006, is_mined=True, has_work=False) == 1_125
    assert times.of_child(10, 1_125, 1_007, is_mined=False, has_work=False) == 1_007  # the executor raises it to the parent's


def test_a_mined_block_is_younger_than_its_parent_even_if_the_clock_is_not():
    times = BlockTimes()
    times.space(7, 1)
    assert times.of_child(7, 1_000, 1_000, is_mined=True, has_work=False) == 1_001


def test_the_next_time_is_had_once_and_again_only_if_the_block_was_lost():
    times = BlockTimes(next=2_000)
    assert times.of_child(7, 1_000, 1_005, is_mined=False, has_work=True) == 2_000
    assert times.of_child(7, 1_000, 1_006, is_mined=True, has_work=False) == 2_000
    assert times.of_child(8, 2_000, 2_001, is_mined=False, has_work=True) == 2_001


def test_an_idle_block_does_not_use_the_next_time_up():
    times = BlockTimes(next=2_000)
    assert times.of_child(7, 1_000, 2_004, is_mined=False, has_work=False) == 1_999
    assert times.of_child(8, 1_999, 2_009, is_mined=False, has_work=False) == 1_999
    assert times.of_child(9, 1_999, 2_010, is_mined=False, has_work=True) == 2_000
