# pragma version ==0.4.3
# pragma evm-version prague
"""
@title A contract that is at the same address with the same code on every shard, and its messages to itself over there.
@notice What it sends is, until its callback, on no shard. It arrives where the peer says ARRIVED; in every other case it returns,
        once. The counters only grow, so that what is in flight from a to b is sent(b) on a, less arrived(a) on b, less returned(b) on a.
"""

interface Outbox:
    def sendWithCallback(
        shard: uint32, to: address, gasLimit: uint64, callbackGas: uint64, refundTo: address, data: Bytes[512]
    ) -> bytes32: payable
    def quoteWithCallback(shard: uint32, gasLimit: uint64, callbackGas: uint64) -> uint256: view
    def failedCallback(id: bytes32) -> bytes32: view

interface Inbox:
    def aliasOf(shard: uint32, account: address) -> address: pure

OUTBOX: constant(Outbox) = Outbox(0x0000000000000000000000000000000000005A01)
INBOX: constant(Inbox) = Inbox(0x0000000000000000000000000000000000005a02)
# An account without code takes any call in silence, so a call that succeeds is no proof of an arrival: this word is.
ARRIVED: constant(bytes32) = keccak256("shardnet.arrived")

FIRST_CHAIN: immutable(uint256)

# By the other shard.
sent: public(HashMap[uint32, uint256])
arrived: public(HashMap[uint32, uint256])
returned: public(HashMap[uint32, uint256])


@deploy
def __init__(first_chain: uint256):
    FIRST_CHAIN = first_chain


@internal
@view
def _here() -> uint32:
    return convert(chain.id - FIRST_CHAIN, uint32)


@internal
@view
def _quote(shard: uint32, gas_limit: uint64, callback_gas: uint64) -> uint256:
    return staticcall OUTBOX.quoteWithCallback(shard, gas_limit, callback_gas)


@internal
def _depart(shard: uint32, amount: uint256, gas_limit: uint64, callback_gas: uint64, data: Bytes[512], attached: uint256) -> (bytes32, uint256):
    """
    The id of the message to the peer on another shard, and what of `attached` is left.
    """
    price: uint256 = self._quote(shard, gas_limit, callback_gas)
    if attached < price:
        raw_revert(concat(method_id("FeeShort(uint256)"), convert(price, bytes32)))
    self.sent[shard] += amount
    id: bytes32 = extcall OUTBOX.sendWithCallback(shard, self, gas_limit, callback_gas, msg.sender, data, value=price)
    return id, attached - price


@internal
def _arrive(shard: uint32, amount: uint256) -> bytes32:
    """
    What to answer to the peer, who alone may call.
    """
    assert msg.sender == staticcall INBOX.aliasOf(shard, self), "only the peer"
    self.arrived[shard] += amount
    return ARRIVED


@internal
@view
def _from_inbox(success: bool, answer: Bytes[1024]) -> bool:
    """
    Whether a message arrived, as Inbox tells it.
    """
    assert msg.sender == INBOX.address, "only Inbox"
    return success and answer == abi_encode(ARRIVED)


@internal
@view
def _from_record(id: bytes32, success: bool, answer: Bytes[1024]) -> bool:
    """
    Whether a message arrived whose callback failed, as anybody may tell who knows what Outbox keeps the hash of.
    """
    assert staticcall OUTBOX.failedCallback(id) == keccak256(concat(id, convert(success, bytes1), answer)), "not what the result was"
    return success and answer == abi_encode(ARRIVED)


@internal
def _return(shard: uint32, amount: uint256):
    self.returned[shard] += amount
