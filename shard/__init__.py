"""Shard execution: the EVM, system contracts, receipts in and out, the pool and the state database."""
