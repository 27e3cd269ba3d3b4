"""The chain that questions about logs are measured on holds what it should."""

from pathlib import Path

from benchmarks import logs
from shard.executor import reads
from shard.views import LogFilter


def test_a_chain_of_transfers(tmp_path: Path) -> None:
    reader = logs.make_chain(tmp_path / "shard", 60, 6)
    found = reader.logs(LogFilter(1, 60, addresses=(logs.TOKEN,)), lambda: None)
    assert [log.block_number for log in found] == [10, 20, 30, 40, 50, 60]
    assert len(reader.logs(LogFilter(1, 60, topics=((logs.TOPIC,),)), lambda: None)) == 60
    assert reads.UNINDEXED_BLOCKS_MAX < 60
