# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Orders with shops of other shards: each ends as taken or refused, whatever happens on the way.
"""

interface Outbox:
    def sendWithCallback(
        shard: uint32, to: address, gasLimit: uint64, callbackGas: uint64, refundTo: address, data: Bytes[1024]
    ) -> bytes32: payable
    def failedCallback(id: bytes32) -> bytes32: view

OUTBOX: constant(Outbox) = Outbox(0x0000000000000000000000000000000000005A01)
INBOX: constant(address) = 0x0000000000000000000000000000000000005a02
CALLBACK_GAS: constant(uint64) = 100_000

flag State:
    ORDERED
    TAKEN
    REFUSED

event Settled:
    id: indexed(bytes32)
    state: State
    answer: Bytes[1024]

states: public(HashMap[bytes32, State])


@external
@payable
def order(shard: uint32, shop: address, gasLimit: uint64, data: Bytes[1024]) -> bytes32:
    """
    @notice Calls a shop of another shard. What is attached pays for the way there and back, and the rest is for the shop;
            what comes back goes to the caller.
    """
    id: bytes32 = extcall OUTBOX.sendWithCallback(shard, shop, gasLimit, CALLBACK_GAS, msg.sender, data, value=msg.value)
    self.states[id] = State.ORDERED
    return id


@external
def onCrossShardResult(id: bytes32, success: bool, returnData: Bytes[1024]):
    """
    @notice What the shop said. Only Inbox brings that; from anybody else it would be a claim.
    """
    assert msg.sender == INBOX
    self._settle(id, success, returnData)


@external
def settleLate(id: bytes32, success: bool, returnData: Bytes[1024]):
    """
    @notice For anybody, where the callback failed: Outbox knows the hash of what it should have told.
    """
    said: bytes32 = keccak256(concat(id, convert(success, bytes1), returnData))
    assert staticcall OUTBOX.failedCallback(id) == said
    self._settle(id, success, returnData)


@internal
def _settle(id: bytes32, success: bool, answer: Bytes[1024]):
    assert self.states[id] == State.ORDERED
    self.states[id] = State.TAKEN if success else State.REFUSED
    log Settled(id=id, state=self.states[id], answer=answer)
