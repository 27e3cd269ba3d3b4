"""Where a node's shard executors run: in a process each, or in threads of the node (ARCHITECTURE, Processes).

- `executor`: what a node asks of an executor, wherever it runs
- `link`: an executor in a child process, restarted when it is lost
- `inline`: an executor in worker threads
- `child`: the child process; `service`, `gate`: what it does; `operations`, `wire`: what travels
"""
