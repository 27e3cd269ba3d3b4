"""Stake-weighted Simplex, one engine for every chain (PROTOCOL 2): events in, effects out."""

from consensus.simplex.engine import Simplex
from consensus.simplex.events import BlockInfo, ChainView, Effect, Event, Verdict

__all__ = ["BlockInfo", "ChainView", "Effect", "Event", "Simplex", "Verdict"]
