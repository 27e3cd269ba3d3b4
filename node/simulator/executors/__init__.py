"""What executes a simulated node's shard blocks: the real executor, or a stand-in of the same interface that serves for volume.

- `interface`: what a simulated node asks of either
- `reference`: the real executor over the reference or the fast EVM and a database in memory
- `standin`: accounts, transfers, receipts and calls without an EVM; headers, Summary and the inbound order are the real ones
"""

from node.simulator.executors.interface import Disk, Executor
from node.simulator.executors.reference import ReferenceDisk
from node.simulator.executors.standin import StandInDisk, Work

EXECUTORS = ("reference", "fast", "both", "stand-in")

__all__ = ["EXECUTORS", "Disk", "Executor", "ReferenceDisk", "StandInDisk", "Work"]
