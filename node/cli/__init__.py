"""The `shardnet` command."""
