"""A local network: its files, and the processes that run it."""
