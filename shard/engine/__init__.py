"""The EVM engine: one interface, its implementations beside it."""
