"""Peer-to-peer: topics, wire messages and peer scoring; one sub-package, adapter, knows libp2p."""
