"""A shard's executor: builds, checks and executes blocks, keeps its chain, and answers questions about it."""
