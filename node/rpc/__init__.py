"""HTTP JSON-RPC: what wallets, tools and explorers talk to, written against immutable views (ARCHITECTURE, processes)."""
