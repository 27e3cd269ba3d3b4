# pragma version ==0.4.3
# pragma evm-version prague
"""
@title A token (ERC-20, ERC-7802) that moves between shards, where it is at the same address with the same code.
@notice All of it is created on the home chain. What moves is burned here and minted there, or minted here again: over all shards and
        what is in flight it is always the same amount. `totalSupply` is what is on this shard.
"""

import peer

initializes: peer
exports: (peer.sent, peer.arrived, peer.returned)

interface Bridged:
    def crosschainMint(to: address, amount: uint256): nonpayable
    def crosschainBurn(holder: address, amount: uint256): nonpayable

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

event CrosschainMint:
    to: indexed(address)
    amount: uint256
    sender: indexed(address)

event CrosschainBurn:
    holder: indexed(address)
    amount: uint256
    sender: indexed(address)

event SentTo:
    id: indexed(bytes32)
    shard: indexed(uint32)
    sender: indexed(address)
    to: address
    amount: uint256

event Settled:
    id: indexed(bytes32)
    arrived: bool

struct Departure:
    sender: address
    shard: uint32
    amount: uint256

# Of the call on the other shard and of the callback: about twice what they use.
RECEIVE_GAS: constant(uint64) = 250_000
CALLBACK_GAS: constant(uint64) = 150_000
ERC165: constant(bytes4) = 0x01ffc9a7
ERC20: constant(bytes4) = 0x36372b07
ERC7802: constant(bytes4) = 0x33331994

name: public(immutable(String[32]))
symbol: public(immutable(String[8]))
decimals: public(constant(uint8)) = 18
# Where all of it was created, and how much that was.
homeShard: public(immutable(uint32))
supplyEverywhere: public(immutable(uint256))

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
# By id: what has left, and is not settled.
departures: public(HashMap[bytes32, Departure])


@deploy
def __init__(_name: String[32], _symbol: String[8], supply: uint256, holder: address, home: uint32, first_chain: uint256):
    """
    @notice The same arguments on every shard, or the code is not the same. `first_chain` is the chain id of shard 0.
    """
    peer.__init__(first_chain)
    name = _name
    symbol = _symbol
    homeShard = home
    supplyEverywhere = supply
    if peer._here() == home:
        self._mint(holder, supply)


@external
@payable
def sendTo(shard: uint32, to: address, amount: uint256) -> bytes32:
    """
    @notice Moves tokens of the caller to an account of another shard. Costs `quoteTo`; what is attached beyond comes back at once,
            and what of the gas is not used, later.
    @return The message's id. If it does not arrive, the caller has the tokens again.
    """
    assert to != empty(address), "no receiver"
    assert amount > 0, "nothing to send"
    extcall Bridged(self).crosschainBurn(msg.sender, amount)
    data: Bytes[100] = abi_encode(peer._here(), to, amount, method_id=method_id("receiveFrom(uint32,address,uint256)"))
    id: bytes32 = empty(bytes32)
    left: uint256 = 0
    id, left = peer._depart(shard, amount, RECEIVE_GAS, CALLBACK_GAS, data, msg.value)
    self.departures[id] = Departure(sender=msg.sender, shard=shard, amount=amount)
    log SentTo(id=id, shard=shard, sender=msg.sender, to=to, amount=amount)
    if left > 0:
        raw_call(msg.sender, b"", value=left)
    return id


@external
@view
def quoteTo(shard: uint32) -> uint256:
    """
    @notice What `sendTo` costs in wei in this block.
    """
    return peer._quote(shard, RECEIVE_GAS, CALLBACK_GAS)


@external
def receiveFrom(shard: uint32, to: address, amount: uint256) -> bytes32:
    """
    @notice From this contract on another shard.
    """
    answer: bytes32 = peer._arrive(shard, amount)
    extcall Bridged(self).crosschainMint(to, amount)
    return answer


@external
def onCrossShardResult(id: bytes32, success: bool, returnData: Bytes[1024]):
    """
    @notice From Inbox: how it went.
    """
    self._settle(id, peer._from_inbox(success, returnData))


@external
def settle(id: bytes32, success: bool, returnData: Bytes[1024]):
    """
    @notice For anybody, where the callback failed: what it should have been told.
    """
    self._settle(id, peer._from_record(id, success, returnData))


@external
def crosschainMint(to: address, amount: uint256):
    """
    @notice ERC-7802; the only bridge is this contract itself.
    """
    assert msg.sender == self, "only this contract"
    self._mint(to, amount)
    log CrosschainMint(to=to, amount=amount, sender=msg.sender)


@external
def crosschainBurn(holder: address, amount: uint256):
    """
    @notice ERC-7802; the only bridge is this contract itself.
    """
    assert msg.sender == self, "only this contract"
    self.balanceOf[holder] -= amount
    self.totalSupply -= amount
    log Transfer(sender=holder, receiver=empty(address), value=amount)
    log CrosschainBurn(holder=holder, amount=amount, sender=msg.sender)


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed < max_value(uint256):
        self.allowance[owner][msg.sender] = allowed - amount
    self._move(owner, receiver, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    log Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@external
@pure
def supportsInterface(id: bytes4) -> bool:
    return id in [ERC165, ERC20, ERC7802]


@internal
def _settle(id: bytes32, arrived: bool):
    departure: Departure = self.departures[id]
    assert departure.amount > 0, "nothing to settle"
    self.departures[id] = empty(Departure)
    if not arrived:
        peer._return(departure.shard, departure.amount)
        extcall Bridged(self).crosschainMint(departure.sender, departure.amount)
    log Settled(id=id, arrived=arrived)


@internal
def _move(owner: address, receiver: address, amount: uint256):
    assert receiver != empty(address), "no receiver"
    self.balanceOf[owner] -= amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=owner, receiver=receiver, value=amount)


@internal
def _mint(to: address, amount: uint256):
    self.totalSupply += amount
    # More than there is can come only from a corrupted shard.
    assert self.totalSupply <= supplyEverywhere, "more than there is"
    self.balanceOf[to] += amount
    log Transfer(sender=empty(address), receiver=to, value=amount)
