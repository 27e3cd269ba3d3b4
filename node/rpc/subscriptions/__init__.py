"""What clients are told without asking again: subscriptions of WebSocket connections, and filters.

- `session`: one connection's subscriptions, and what waits to be sent on it
- `frames`: what it is sent in
- `turns`: how all are told without holding up the event loop
- `stream`: a shard's blocks and pooled transactions, read once and told to all
- `crossings`: finality and the lives of cross-shard receipts
- `filters`: filters that are polled
- `live`: all of it, for one node
"""
