"""The beacon chain's rules as functions from a state and a block to a new state (PROTOCOL 3 and 4).

Start with `transition.process_block`; `state` holds the containers, `genesis` the first state, `building` the proposer's
side, `committees` who runs which chain, `reference` what a shard block takes from a beacon block.
"""
