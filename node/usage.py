"""What the executor processes use, read from the system at each scrape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


class ExecutorProcess(Protocol):
    """An executor that has a process of its own."""

    restarts: int
    """Times it was lost and came back."""

    @property
    def process_id(self) -> int | None:
        """None while there is none."""
        ...


class UsageCollector(Collector):
    """CPU time, memory and restarts of each executor process; a process that is away has no sample."""

    def __init__(self) -> None:
        self.executors: Mapping[int, ExecutorProcess] = {}
        """By shard; set once they are started."""

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """See prometheus_client."""
        cpu = CounterMetricFamily("shardnet_executor_cpu_seconds", "CPU time of an executor process.", labels=("shard",))
        memory = GaugeMetricFamily("shardnet_executor_resident_memory_bytes", "Memory of an executor process.", labels=("shard",))
        restarts = CounterMetricFamily("shardnet_executor_restarts", "Times an executor process was started anew.", labels=("shard",))
        for shard, executor in self.executors.items():
            restarts.add_metric((str(shard),), executor.restarts)
            try:
                process = psutil.Process(executor.process_id) if executor.process_id is not None else None
                if process is not None:
                    with process.oneshot():
                        times, used = process.cpu_times(), process.memory_info().rss
                    cpu.add_metric((str(shard),), times.user + times.system)
                    memory.add_metric((str(shard),), used)
            except psutil.NoSuchProcess:
                continue
        yield from (cpu, memory, restarts)
