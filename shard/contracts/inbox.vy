# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Inbox, 0x...5a02: how far the receipts of each source have been taken in (PROTOCOL 6).
@notice Only the executor writes it. Being state, it makes delivery exactly once.
@dev The executor reads this storage: the order of the variables is protocol.
"""

SYSTEM: constant(address) = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE
CHANNELS: constant(uint256) = 64
MASK64: constant(uint256) = 2**64 - 1

# By source, cumulative since genesis.
totals: uint256[CHANNELS]               # receipts | wei << 64
# A node that joins needs them to check the next bundle.
accumulators: bytes32[CHANNELS]


@external
def advance(sources: DynArray[uint32, CHANNELS], totals: DynArray[uint256, CHANNELS], accumulators: DynArray[bytes32, CHANNELS]):
    """
    @notice Once a block: the channels something was taken in from.
    """
    assert msg.sender == SYSTEM
    assert len(sources) == len(totals) and len(sources) == len(accumulators)
    for i: uint256 in range(len(sources), bound=CHANNELS):
        self.totals[sources[i]] = totals[i]
        self.accumulators[sources[i]] = accumulators[i]


@external
@view
def nextNonce(shard: uint32) -> uint64:
    """
    @notice Nonce of the receipt that comes next from a source.
    """
    return convert(self.totals[shard] & MASK64, uint64)


@external
@view
def taken(shard: uint32) -> (uint64, uint256, bytes32):
    """
    @notice Receipts and wei taken in from a source, and the accumulator over their ids.
    """
    totals: uint256 = self.totals[shard]
    return convert(totals & MASK64, uint64), totals >> 64, self.accumulators[shard]


@external
@pure
def aliasOf(shard: uint32, account: address) -> address:
    """
    @notice The account that calls from `account` of chain `shard` come from on this shard.
    """
    digest: bytes32 = keccak256(concat(b"shardnet.alias", convert(shard, bytes4), convert(account, bytes20)))
    return convert(convert(digest, uint256) & (2**160 - 1), address)
