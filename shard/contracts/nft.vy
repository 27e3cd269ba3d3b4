# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Things of which each exists once over all shards (ERC-721), and which move between them.
@notice All are created on the home shard by the minter; owner and URI travel. While a thing is in flight it is on no shard.
"""

import peer

initializes: peer
exports: (peer.sent, peer.arrived, peer.returned)

interface Receiver:
    def onERC721Received(operator: address, sender: address, tokenId: uint256, data: Bytes[1024]) -> bytes4: nonpayable

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    tokenId: indexed(uint256)

event Approval:
    owner: indexed(address)
    approved: indexed(address)
    tokenId: indexed(uint256)

event ApprovalForAll:
    owner: indexed(address)
    operator: indexed(address)
    approved: bool

event SentTo:
    id: indexed(bytes32)
    shard: indexed(uint32)
    owner: indexed(address)
    to: address
    tokenId: uint256

event Settled:
    id: indexed(bytes32)
    arrived: bool

struct Departure:
    owner: address
    shard: uint32
    tokenId: uint256
    uri: String[256]

# Of the call on the other shard and of the callback: enough for the longest URI.
RECEIVE_GAS: constant(uint64) = 500_000
CALLBACK_GAS: constant(uint64) = 450_000
ERC165: constant(bytes4) = 0x01ffc9a7
ERC721: constant(bytes4) = 0x80ac58cd
ERC721_METADATA: constant(bytes4) = 0x5b5e139f

name: public(immutable(String[32]))
symbol: public(immutable(String[8]))
homeShard: public(immutable(uint32))
minter: public(immutable(address))

# Ever created, on the home shard; what is on this shard.
created: public(uint256)
totalSupply: public(uint256)
balances: HashMap[address, uint256]
owners: HashMap[uint256, address]
uris: HashMap[uint256, String[256]]
approvals: HashMap[uint256, address]
isApprovedForAll: public(HashMap[address, HashMap[address, bool]])
# By id: what has left, and is not settled.
departures: public(HashMap[bytes32, Departure])


@deploy
def __init__(_name: String[32], _symbol: String[8], _minter: address, home: uint32, first_chain: uint256):
    """
    @notice The same arguments on every shard, or the code is not the same. `first_chain` is the chain id of shard 0.
    """
    peer.__init__(first_chain)
    name = _name
    symbol = _symbol
    minter = _minter
    homeShard = home


@external
def mint(to: address, uri: String[256]) -> uint256:
    """
    @notice A new thing, for the minter on the home shard only: so no two have the same number.
    """
    assert msg.sender == minter, "only the minter"
    assert peer._here() == homeShard, "only on the home shard"
    assert to != empty(address), "no receiver"
    self.created += 1
    self._appear(to, self.created, uri)
    return self.created


@external
@payable
def sendTo(shard: uint32, to: address, tokenId: uint256) -> bytes32:
    """
    @notice Moves a thing of the caller, or one it is approved for, to an account of another shard. Costs `quoteTo`; what is attached
            beyond comes back at once, and what of the gas is not used, later.
    @return The message's id. If it does not arrive, the owner has it again.
    """
    assert to != empty(address), "no receiver"
    owner: address = self._check_allowed(tokenId)
    uri: String[256] = self.uris[tokenId]
    self.approvals[tokenId] = empty(address)
    self.owners[tokenId] = empty(address)
    self.uris[tokenId] = ""
    self.balances[owner] -= 1
    self.totalSupply -= 1
    log Transfer(sender=owner, receiver=empty(address), tokenId=tokenId)
    data: Bytes[420] = abi_encode(peer._here(), to, tokenId, uri, method_id=method_id("receiveFrom(uint32,address,uint256,string)"))
    id: bytes32 = empty(bytes32)
    left: uint256 = 0
    id, left = peer._depart(shard, 1, RECEIVE_GAS, CALLBACK_GAS, data, msg.value)
    self.departures[id] = Departure(owner=owner, shard=shard, tokenId=tokenId, uri=uri)
    log SentTo(id=id, shard=shard, owner=owner, to=to, tokenId=tokenId)
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
def receiveFrom(shard: uint32, to: address, tokenId: uint256, uri: String[256]) -> bytes32:
    """
    @notice From this contract on another shard.
    """
    answer: bytes32 = peer._arrive(shard, 1)
    self._appear(to, tokenId, uri)
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
@view
def ownerOf(tokenId: uint256) -> address:
    return self._owner(tokenId)


@external
@view
def balanceOf(owner: address) -> uint256:
    assert owner != empty(address), "no owner"
    return self.balances[owner]


@external
@view
def tokenURI(tokenId: uint256) -> String[256]:
    self._owner(tokenId)
    return self.uris[tokenId]


@external
@view
def getApproved(tokenId: uint256) -> address:
    self._owner(tokenId)
    return self.approvals[tokenId]


@external
def approve(approved: address, tokenId: uint256):
    owner: address = self._owner(tokenId)
    assert msg.sender == owner or self.isApprovedForAll[owner][msg.sender], "not allowed"
    self.approvals[tokenId] = approved
    log Approval(owner=owner, approved=approved, tokenId=tokenId)


@external
def setApprovalForAll(operator: address, approved: bool):
    self.isApprovedForAll[msg.sender][operator] = approved
    log ApprovalForAll(owner=msg.sender, operator=operator, approved=approved)


@external
def transferFrom(sender: address, receiver: address, tokenId: uint256):
    self._move(sender, receiver, tokenId)


@external
def safeTransferFrom(sender: address, receiver: address, tokenId: uint256, data: Bytes[1024] = b""):
    self._move(sender, receiver, tokenId)
    if receiver.is_contract:
        answer: bytes4 = extcall Receiver(receiver).onERC721Received(msg.sender, sender, tokenId, data)
        assert answer == method_id("onERC721Received(address,address,uint256,bytes)", output_type=bytes4), "not taken"


@external
@pure
def supportsInterface(id: bytes4) -> bool:
    return id in [ERC165, ERC721, ERC721_METADATA]


@internal
def _settle(id: bytes32, arrived: bool):
    departure: Departure = self.departures[id]
    assert departure.owner != empty(address), "nothing to settle"
    self.departures[id] = empty(Departure)
    if not arrived:
        peer._return(departure.shard, 1)
        self._appear(departure.owner, departure.tokenId, departure.uri)
    log Settled(id=id, arrived=arrived)


@internal
def _appear(to: address, tokenId: uint256, uri: String[256]):
    # A second one can come only from a corrupted shard.
    assert self.owners[tokenId] == empty(address), "it is here"
    self.owners[tokenId] = to
    self.uris[tokenId] = uri
    self.balances[to] += 1
    self.totalSupply += 1
    log Transfer(sender=empty(address), receiver=to, tokenId=tokenId)


@internal
@view
def _owner(tokenId: uint256) -> address:
    owner: address = self.owners[tokenId]
    assert owner != empty(address), "not on this shard"
    return owner


@internal
@view
def _check_allowed(tokenId: uint256) -> address:
    """
    The owner, for whom the caller acts.
    """
    owner: address = self._owner(tokenId)
    is_approved: bool = self.approvals[tokenId] == msg.sender or self.isApprovedForAll[owner][msg.sender]
    assert msg.sender == owner or is_approved, "not allowed"
    return owner


@internal
def _move(sender: address, receiver: address, tokenId: uint256):
    owner: address = self._check_allowed(tokenId)
    assert owner == sender, "not the owner"
    assert receiver != empty(address), "no receiver"
    self.approvals[tokenId] = empty(address)
    self.owners[tokenId] = receiver
    self.balances[owner] -= 1
    self.balances[receiver] += 1
    log Transfer(sender=owner, receiver=receiver, tokenId=tokenId)
