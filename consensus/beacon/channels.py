"""Which channels are closed to new receipts (PROTOCOL 6, channel_backlog_max)."""

from __future__ import annotations

from dataclasses import replace

from consensus.beacon.state import BeaconState


def update_channels(state: BeaconState, backlog_max: int) -> BeaconState:
    """Closes channels with more than `backlog_max` undelivered receipts and opens them again below half.

    The channel to the beacon chain stays as it is: nothing is taken in there.
    """
    shards = []
    for source, record in enumerate(state.shards):
        closed = list(record.closed)
        for destination in range(state.beacon):
            waiting = state.recorded_out(source, destination).count - state.recorded_in(source, destination).count
            if waiting > backlog_max:
                closed[destination] = 1
            elif 2 * waiting < backlog_max:
                closed[destination] = 0
        shards.append(record if tuple(closed) == record.closed else replace(record, closed=tuple(closed)))
    return replace(state, shards=tuple(shards))
