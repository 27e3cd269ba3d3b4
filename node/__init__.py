"""The node process: configuration, wiring, core loop, executors, sync, storage, JSON-RPC, metrics and command line."""
