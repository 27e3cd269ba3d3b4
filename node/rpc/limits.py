"""Every bound of the JSON-RPC server; a limit that is hit is reported through `RpcObserver.limit_hit` by its name in lower case."""

from __future__ import annotations

from p2p.limits import Rate

CONNECTIONS_MAX = 512
"""Open connections of all ports together; one above is closed at once. Below the usual 1,024 file descriptors of a process."""
OWN_CONNECTIONS = 32
"""Of those, that only programs of this machine may open, so that whoever operates a node can always ask it."""
CLIENT_CONNECTIONS_MAX = 128
"""Of those, that one address holds, or one /64 of IPv6; one above is closed at once. Not for this machine's own (`node/shares.py`)."""
CONNECTION_CALLS_RATE = Rate(200, 2_000)
"""Calls of one connection, and how many of them at once after a pause; beyond it HTTP 429, or -32005 on a WebSocket connection. A wallet
makes a few a second, an explorer's page some hundred at once. Not for this machine's own, as all rates here."""
CLIENT_CALLS_RATE = Rate(800, 8_000)
"""The same of all connections of one address, or of one /64 of IPv6: more than the transactions that a network executes (533/s), so that
one machine can load it. A connection costs a call, too."""
CONNECTION_REFUSALS_RATE = Rate(20, 200)
"""Requests of one connection that are refused for a rate; one more closes it, of a WebSocket connection with code 1008."""
CLIENT_REFUSALS_RATE = Rate(80, 800)
"""The same of all connections of one address; while none is left, new ones are closed at once."""
HEAVY_CALL_COST = 5
"""Calls as which one counts that executes, searches or traces (`registry.HEAVY`); a request counts as a burst at most."""
BYTES_PER_CALL = 64 * 1024
"""Received after the first part of a request, that cost as much as a call, be they read or dropped."""
PART_COST = 0.1
"""Calls as which each read of a request after the first counts, and a frame of a WebSocket connection that ends no message."""
SHORT_PART_BYTES = 1024
"""A part of a body that is shorter, other than the first and the last, costs a call: only who wants to keep a node busy sends many."""
COMMAS_FREE_MAX = 20_000
"""Of one request: a batch of a thousand calls has a few thousand."""
COMMAS_PER_CALL = 100
"""Of a request that has more, that cost a call before it is taken apart: most of that work is done for each of them."""
REFUSAL_BYTES = 4096
"""Of the errors of a refused batch, that count as one more refusal."""
OVERDRAFT_BURSTS_MAX = 2
"""Bursts by which a rate of calls may be overdrawn; beyond it the connection is closed, new ones of the address at once."""
CLIENTS_REMEMBERED_MAX = 4096
"""Addresses without a connection whose calls are not made good yet; of one more, the one that is nearest to it is forgotten."""
CONNECTION_REQUESTS_MAX = 100_000
"""Requests of one connection, after which it is closed; they are answered one at a time."""
REQUESTS_IN_FLIGHT_MAX = 256
"""HTTP requests being answered at once; one above is answered -32005."""
OWN_REQUESTS_IN_FLIGHT = 32
"""Of those, that only programs of this machine may have."""
CLIENT_REQUESTS_IN_FLIGHT_MAX = 64
"""Of those, that come from one address, or one /64 of IPv6, as all shares here not for this machine's own; one above is answered -32005."""
EXECUTIONS_QUEUED_MAX = 64
"""eth_call and eth_estimateGas of one shard that run or wait; one above is answered -32005."""
CLIENT_EXECUTIONS_MAX = 6
"""What executes or traces for one address at once, on all shards, as many as a browser has connections; one above is answered -32005. A
shard's executor takes nine."""

BODY_BYTES_MAX = 5 * 1024 * 1024
"""A request's body; above it HTTP 413."""
BODY_DRAINED_BYTES_MAX = 32 * 1024 * 1024
"""Read and dropped of a body that is too large, so that its sender gets to read the 413."""
UNREAD_SECONDS_MAX = 5.0
"""From the answer to a request with more than `BODY_DRAINED_BYTES_MAX` to the end of its connection; as many are dropped meanwhile."""
BODIES_BYTES_MAX = 64 * 1024 * 1024
"""Bodies being received at once; above it -32005."""
CLIENT_BODIES_BYTES_MAX = 16 * 1024 * 1024
"""Of those, that come from one address; above it -32005."""
ANSWERS_BYTES_MAX = 256 * 1024 * 1024
"""Answers being sent at once; one that would exceed it becomes -32005."""
CLIENT_ANSWERS_BYTES_MAX = 64 * 1024 * 1024
"""Of those, that go to one address; one that would exceed it becomes -32005."""
BODY_SECONDS_MAX = 20.0
"""From a request's head to the end of its body."""
HEAD_BYTES_MAX = 16 * 1024
"""Request line and headers."""
HEAD_SECONDS_MAX = 10.0
"""From a request's first byte to the end of its headers."""
IDLE_SECONDS_MAX = 75.0
"""Between two requests of a connection."""
GONE_SECONDS_MAX = 0.5
"""From a client's end to that of its connection, for requests that it sent before; twice as long for one that is being answered."""
WRITE_SECONDS_MAX = 10.0
"""For a client to take `WRITE_CHUNK_BYTES` of an answer."""
WRITE_CHUNK_BYTES = 256 * 1024
SHUTDOWN_SECONDS_MAX = 2.0
"""For answers under way when the server stops."""
ACCEPT_BACKLOG_MAX = 512
"""Connections the system holds before the server takes them."""

NESTING_MAX = 16
"""Levels of arrays and objects in a request; a batch of calls with access lists has seven."""
BRACKETS_UNCHECKED_MAX = 500
"""Opening brackets up to which a body's nesting is not looked at: so many levels the decoder can take."""
BATCH_CALLS_MAX = 1000
BATCH_SECONDS_MAX = 10.0
"""Of a batch, after which no further call of it is begun; those are answered -32002."""
SERVED_BATCH_SECONDS_MAX = 4.0
"""The same for a batch that a peer passes on: a call begun before takes five seconds more, and then the peer still waits."""
BATCH_CALLS_PER_TURN = 16
"""Calls of a batch between two turns of the event loop, for calls that never wait by themselves."""
BATCH_CALLS_AT_ONCE_MAX = 256
"""Calls of a batch that are answered together where a method can."""
ITEMS_PER_TURN = 64
"""Transactions or logs written out between two turns of the event loop."""
RENDERED_BYTES_PER_TURN = 256 * 1024
"""Of logs written out between two turns, but for a log that is larger by itself."""
RESPONSE_BYTES_MAX = 25 * 1024 * 1024
"""Of one HTTP answer; the call that would exceed it and those after it in a batch are answered -32003."""

LOGS_ADDRESSES_MAX = 1000
LOGS_TOPICS_MAX = 1000
"""Alternatives at one position of a topic filter."""
TOPIC_POSITIONS_MAX = 4
FEE_HISTORY_BLOCKS_MAX = 1024
FEE_HISTORY_PERCENTILES_MAX = 100
STORAGE_VALUES_MAX = 1024
"""Storage keys of one eth_getStorageValues, all accounts together."""
PROOF_SLOTS_MAX = 1024
"""Storage keys of one eth_getProof."""
ACCESS_LIST_ENTRIES_MAX = 10_000
"""Addresses and storage keys together in a call object."""
AUTHORIZATIONS_MAX = 1_000
"""EIP-7702 authorizations of a call object."""
OVERRIDE_ENTRIES_MAX = 10_000
"""Accounts and storage words together in the state overrides of a call."""
OVERRIDE_BYTES_MAX = 1024 * 1024
"""Code in the state overrides of a call, all accounts together."""
OTS_PAGE_MAX = 100
"""Transactions of one page of an ots_* method; of a search as many and the rest of their last block."""
SIMULATED_BLOCKS_MAX = 256
"""Blocks of one eth_simulateV1, those between the ones asked for included; more are answered -38026."""
SIMULATED_CALLS_MAX = 1000
"""Calls of one eth_simulateV1, all blocks together; more are answered -38026."""
FAUCET_WINDOW_SECONDS = 60.0
"""Over which the faucet counts what it gave."""
FAUCET_GRANTS_MAX = 120
"""Of a node in one window, all shards together; one more is answered -32005."""
FAUCET_GRANTS_PER_ADDRESS_MAX = 10
"""To one address in one window, all shards together; one more is answered -32005."""
FAUCET_NONCE_TRIES_MAX = 4
"""Times a grant is signed again because its nonce went to another transaction meanwhile."""
CROSSINGS_PER_TRANSACTION_MAX = 64
"""Cross-shard receipts of one transaction that shard_getCrossShardTransaction tells of."""
BEACON_BLOCKS_MAX = 32
"""Beacon blocks that one beacon_getCrosslinks or beacon_getEvidence looks through; decoding one may take 20 ms."""
BEACON_BLOCKS_DEFAULT = 20
POOL_LISTED_MAX = 5_000
"""Transactions that txpool_content and txpool_inspect list; of a fuller pool they answer -32003."""
POOL_LISTED_BYTES_MAX = 8 * 1024 * 1024
"""Signed bytes of the transactions that a txpool_* method lists; of more they answer -32003."""
INDEX_BITS = 32
"""Of a transaction's position in a block."""
ACCOUNTS_PER_PAGE_MAX = 1_000
"""Accounts of one answer of shard_getAccountsPage."""

WEBSOCKETS_MAX = 384
"""WebSocket connections; one above is answered 503. Below `CONNECTIONS_MAX`, so that HTTP always has room."""
WEBSOCKET_CALLS_MAX = 8
"""Messages of one WebSocket connection being answered at once; further ones are not read until an answer has been taken."""
WEBSOCKET_SILENCE_SECONDS_MAX = 75.0
"""Without a byte of the client, who is pinged: the connection is cut off."""
WEBSOCKET_PING_SECONDS = 25.0
WEBSOCKET_CLOSE_SECONDS_MAX = 2.0
"""For a client to take the close frame, and to send its own."""
WEBSOCKET_FRAMES_AFTER_CLOSE_MAX = 256
"""Frames of a client still looked at once this side has said that it closes; one more ends the connection."""
WEBSOCKET_READ_BYTES = 16 * 1024
WEBSOCKET_FRAMES_PER_TURN = 64
"""Frames handled between two turns of the event loop."""
SUBSCRIPTIONS_MAX = 128
"""Subscriptions of one connection; one above is answered -32005."""
NOTIFICATIONS_QUEUED_MAX = 16_384
"""Notifications that wait to be taken by one connection, or for the answer to its message; one above closes it with code 1008."""
NOTIFICATIONS_QUEUED_BYTES_MAX = 8 * 1024 * 1024
"""Their bytes together; above it the connection is closed with code 1008."""
NOTIFICATIONS_ALL_BYTES_MAX = 128 * 1024 * 1024
"""Of all connections; above it the one that holds most is closed with code 1008."""
SUBSCRIPTIONS_ALL_MAX = 8192
"""Subscriptions of all connections; one above is answered -32005."""
CLIENT_SUBSCRIPTIONS_MAX = 2048
"""Of those, that one address has; one above is answered -32005."""
LOG_CHOICES_MAX = 1024
"""Addresses and topics in the log subscriptions of one connection; above it -32005."""
SUBSCRIBERS_PER_TURN = 256
"""Subscribers looked at or told between two turns of the event loop."""
TOLD_BYTES_PER_TURN = 256 * 1024
"""Of the results they are told between two turns."""
BEHIND_SECONDS_MAX = 0.25
"""For connections on which half of what may wait does, to read some of it before they and all others are told more of a block."""
HEADS_BEHIND_MAX = 64
"""Blocks that subscribers are told of late; of more, as while the node catches up, only the newest."""
POOLED_QUEUED_MAX = 8192
"""Pooled transactions of one shard that subscribers and filters can still be told of; the oldest make room."""
BLOCK_HASHES_REMEMBERED_MAX = 1024
"""Of one shard, for block filters; older ones are read from the shard."""
LIVE_READ_ATTEMPTS_MAX = 20
"""Times a shard is asked for what subscribers are to be told of; then they are not told."""
LIVE_READ_PAUSE_SECONDS = 0.25
RECEIPTS_REMEMBERED_MAX = 4096
"""Cross-shard receipts of one source whose crosslink, or of one destination whose arrival, is to be told; the oldest make room."""
POOLED_PER_TURN = 16
"""Pooled transactions told between two turns of the event loop."""

FILTERS_MAX = 1024
"""Filters of all clients of one shard; one above is answered -32005."""
FILTER_CHOICES_MAX = 100_000
"""Addresses and topics in the filters of one shard; above it -32005."""
CLIENT_FILTERS_MAX = 256
"""Filters of one address on one shard."""
CLIENT_FILTER_CHOICES_MAX = 25_000
"""Addresses and topics in the filters of one address on one shard."""
FILTER_SECONDS_MAX = 300.0
"""Without a question for its changes; then the filter is gone."""
FILTER_HASHES_MAX = 10_000
"""Hashes in one answer of eth_getFilterChanges; the rest comes with the next."""
