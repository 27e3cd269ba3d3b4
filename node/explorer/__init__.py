"""The page that each node serves of its network: blocks, transactions, messages, validators, supply, and a devnet's faucet."""
