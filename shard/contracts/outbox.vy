# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Outbox, 0x...5a01: the only way a cross-shard receipt leaves a shard (PROTOCOL 6).
@notice It calls nobody, so it needs no lock. Value stays here until the executor burns, at block end, exactly what the
        totals grew by; what was paid for callbacks stays until they are due, ether forced in for ever.
@dev The executor reads this storage, and writes refunds, results and the ends of callbacks into it natively: the order of
     the variables is protocol.
     There are no immutables, because a genesis account is bare runtime code.
"""

SYSTEM: constant(address) = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE
CHANNELS: constant(uint256) = 64
# Longer data than this reverts without a reason, so it lies above every value the parameter data_max may have.
DATA_CEILING: constant(uint256) = 4128
CALLBACK_DATA_CEILING: constant(uint256) = 4120
# What a call with a callback carries before its data: the callback's gas, which its result has to name.
CALLBACK_HEAD_BYTES: constant(uint256) = 8
# Counted for delivering a result; the rest of a callback's gas is for its code.
CALLBACK_GAS_MIN: constant(uint256) = 21000
CALLBACK_PRICE_BITS: constant(uint256) = 96
# Counted towards the bytes of a block for every receipt, besides its data.
FIXED_BYTES: constant(uint256) = 384
CREDIT: constant(uint8) = 0
CALL: constant(uint8) = 1
CALL_REFUND_THERE: constant(uint8) = 2
CALL_WITH_CALLBACK: constant(uint8) = 3
RESULT: constant(uint8) = 4
MASK32: constant(uint256) = 2**32 - 1
MASK64: constant(uint256) = 2**64 - 1
MASK160: constant(uint256) = 2**160 - 1
MASK128: constant(uint256) = 2**128 - 1
CLOSED: constant(uint256) = 1 << 255
RETURN_CLOSED: constant(uint256) = 1 << 254

event Sent:
    id: indexed(bytes32)
    destination: indexed(uint32)
    nonce: indexed(uint64)
    kind: uint8
    sender: address
    to: address
    amount: uint256
    gas_limit: uint64
    fee: uint256
    refund_to: address
    data: Bytes[DATA_CEILING]

event CallbackFailed:
    id: indexed(bytes32)

# Set in genesis.
network: uint256                        # chains | own number << 32 | chain_id_base << 64
limits: uint256                         # receipts a block | bytes a block << 64 | data bytes << 128 | gas << 192
# Moved by every receipt of a user; keyed by block number, so nothing has to reset it.
this_block: uint256                     # block number | receipts << 64 | bytes << 128
# By destination, cumulative since genesis.
totals: uint256[CHANNELS]               # receipts | wei << 64
accumulators: bytes32[CHANNELS]
# Written by the system address.
terms: uint256[CHANNELS]                # base fee there; top bit: the channel is closed; the next: the one back is
burned: uint256
fees: uint256
# By id of a call whose result is awaited: sender | destination << 160 | callback gas << 192, refund_to | wei a gas << 160.
# The call's amount and fee have left; gas x price is in escrow here. Where a callback has failed: 0, and what its result was.
callbacks: HashMap[bytes32, uint256[2]]


@external
@payable
def transfer(shard: uint32, to: address) -> bytes32:
    """
    @notice Sends the attached wei to an account of another chain.
    @return The receipt's id: the hash of the transaction that will deliver it.
    """
    self._admit(shard, 0, CLOSED)
    return self._credit(shard, msg.sender, to, msg.value)


@external
@payable
def send(shard: uint32, to: address, amount: uint256, gasLimit: uint64, refundTo: address, data: Bytes[DATA_CEILING]) -> bytes32:
    """
    @notice Calls a contract of another shard with `amount` wei; what is attached beyond it pays the gas there.
    @return The receipt's id: the hash of the transaction that will deliver it.
    """
    base_fee: uint256 = self._admit(shard, len(data), CLOSED)
    self._check_call(len(data), len(data), gasLimit)
    least: uint256 = 2 * convert(gasLimit, uint256) * base_fee
    if msg.value < amount or msg.value - amount < least:
        raw_revert(concat(method_id("FeeShort(uint256)"), convert(least, bytes32)))
    fee: uint256 = msg.value - amount
    kind: uint8 = CALL
    if refundTo.codesize == 0:
        kind = CALL_REFUND_THERE
    elif refundTo.codesize == 23:
        # An EIP-7702 designator stands for a person, who can be paid anywhere.
        if slice(refundTo.code, 0, 3) == x"ef0100":
            kind = CALL_REFUND_THERE
    nonce: uint64 = self._next_nonce(shard)
    id: bytes32 = keccak256(concat(0x7d, abi_encode(
        self._chain_id(shard), self._own_number(), nonce, kind, msg.sender, to, amount, gasLimit, fee, refundTo, data)))
    self._record(shard, id, msg.value)
    log Sent(id=id, destination=shard, nonce=nonce, kind=kind, sender=msg.sender, to=to, amount=amount,
             gas_limit=gasLimit, fee=fee, refund_to=refundTo, data=data)
    return id


@external
@payable
def sendWithCallback(
    shard: uint32, to: address, gasLimit: uint64, callbackGas: uint64, refundTo: address, data: Bytes[CALLBACK_DATA_CEILING]
) -> bytes32:
    """
    @notice Calls a contract of another shard, whose outcome comes back as a call of `onCrossShardResult(bytes32 id, bool success,
            bytes returnData)` on the caller, from Inbox and with `callbackGas`. Of what is attached, `quoteWithCallback` pays
            for both, and the rest is the amount that goes along. What is not used, and what comes back, goes to `refundTo` here.
    @return The receipt's id: the hash of the transaction that will deliver it.
    """
    base_fee: uint256 = self._admit(shard, CALLBACK_HEAD_BYTES + len(data), CLOSED | RETURN_CLOSED)
    self._check_call(len(data), CALLBACK_HEAD_BYTES + len(data), gasLimit)
    if convert(callbackGas, uint256) < CALLBACK_GAS_MIN or convert(callbackGas, uint256) > self.limits >> 192:
        raw_revert(concat(method_id("CallbackGasOutOfRange(uint64)"), convert(callbackGas, bytes32)))
    price: uint256 = 2 * block.basefee
    assert price >> CALLBACK_PRICE_BITS == 0
    fee: uint256 = 2 * convert(gasLimit, uint256) * base_fee
    least: uint256 = fee + convert(callbackGas, uint256) * price
    if msg.value < least:
        raw_revert(concat(method_id("FeeShort(uint256)"), convert(least, bytes32)))
    amount: uint256 = msg.value - least
    carried: Bytes[DATA_CEILING] = concat(convert(callbackGas, bytes8), data)
    nonce: uint64 = self._next_nonce(shard)
    id: bytes32 = keccak256(concat(0x7d, abi_encode(
        self._chain_id(shard), self._own_number(), nonce, CALL_WITH_CALLBACK, msg.sender, to, amount, gasLimit, fee, refundTo, carried)))
    self._record(shard, id, amount + fee)
    self.callbacks[id] = [
        convert(msg.sender, uint256) + (convert(shard, uint256) << 160) + (convert(callbackGas, uint256) << 192),
        convert(refundTo, uint256) + (price << 160),
    ]
    log Sent(id=id, destination=shard, nonce=nonce, kind=CALL_WITH_CALLBACK, sender=msg.sender, to=to, amount=amount,
             gas_limit=gasLimit, fee=fee, refund_to=refundTo, data=carried)
    return id


@external
@view
def quote(shard: uint32, gasLimit: uint64) -> uint256:
    """
    @notice Least fee in wei that `send` takes for a call with this gas limit, as of the newest base fee known here.
    """
    self._known(shard)
    return 2 * convert(gasLimit, uint256) * (self.terms[shard] & MASK128)


@external
@view
def quoteWithCallback(shard: uint32, gasLimit: uint64, callbackGas: uint64) -> uint256:
    """
    @notice What `sendWithCallback` takes in wei for a call and its callback, in this block.
    """
    self._known(shard)
    return 2 * convert(gasLimit, uint256) * (self.terms[shard] & MASK128) + 2 * convert(callbackGas, uint256) * block.basefee


@external
@view
def awaitedCallback(id: bytes32) -> (address, uint32, uint64, uint256, address):
    """
    @notice A callback that is still to come, by the id of its call: who is called, the shard that the result comes from, gas,
            wei in escrow, and where the rest goes. All zero where none is awaited.
    """
    words: uint256[2] = self.callbacks[id]
    if words[0] == 0:
        return empty(address), 0, 0, 0, empty(address)
    gas_limit: uint256 = words[0] >> 192
    return (convert(words[0] & MASK160, address), convert((words[0] >> 160) & MASK32, uint32), convert(gas_limit, uint64),
            gas_limit * (words[1] >> 160), convert(words[1] & MASK160, address))


@external
@view
def failedCallback(id: bytes32) -> bytes32:
    """
    @notice keccak256(id, success as one byte, returnData) of a result whose callback failed or was not run; zero for any other.
    """
    words: uint256[2] = self.callbacks[id]
    if words[0] != 0:
        return empty(bytes32)
    return convert(words[1], bytes32)


@external
@payable
def result(shard: uint32, to: address, callbackGas: uint64, refundTo: address, data: Bytes[DATA_CEILING]) -> bytes32:
    """
    @notice The result of a call with a callback, with all the wei that goes home: neither caps nor closed channels stop it.
    """
    assert msg.sender == SYSTEM
    nonce: uint64 = self._next_nonce(shard)
    id: bytes32 = keccak256(concat(0x7d, abi_encode(
        self._chain_id(shard), self._own_number(), nonce, RESULT, self, to, msg.value, callbackGas, empty(uint256), refundTo, data)))
    self._record(shard, id, msg.value)
    log Sent(id=id, destination=shard, nonce=nonce, kind=RESULT, sender=self, to=to, amount=msg.value,
             gas_limit=callbackGas, fee=0, refund_to=refundTo, data=data)
    return id


@external
def close(id: bytes32):
    """
    @notice A result has come: its callback is no longer awaited. The executor takes the escrow out.
    """
    assert msg.sender == SYSTEM
    self.callbacks[id] = empty(uint256[2])


@external
def fail(id: bytes32, result: bytes32):
    """
    @notice The callback of a closed id failed or was not run; `result` is what its result hashes to.
    """
    assert msg.sender == SYSTEM
    self.callbacks[id][1] = convert(result, uint256)
    log CallbackFailed(id=id)


@external
@payable
def refund(shard: uint32, to: address) -> bytes32:
    """
    @notice A credit the network itself issues: neither caps nor closed channels stop it.
    """
    assert msg.sender == SYSTEM
    return self._credit(shard, self, to, msg.value)


@external
def begin(shards: DynArray[uint32, CHANNELS], terms: DynArray[uint256, CHANNELS]):
    """
    @notice Block start: the terms that changed.
    """
    assert msg.sender == SYSTEM and len(shards) == len(terms)
    for i: uint256 in range(len(shards), bound=CHANNELS):
        self.terms[shards[i]] = terms[i]


@external
def end(burned: uint256, fees: uint256):
    """
    @notice Block end: wei burned and set aside in this block.
    """
    assert msg.sender == SYSTEM
    self.burned += burned
    self.fees += fees


@internal
@view
def _known(shard: uint32):
    network: uint256 = self.network
    if convert(shard, uint256) >= network & MASK32 or convert(shard, uint256) == (network >> 32) & MASK32:
        raw_revert(concat(method_id("UnknownShard(uint32)"), convert(shard, bytes32)))


@internal
def _admit(shard: uint32, size: uint256, refusing: uint256) -> uint256:
    """The checks every receipt of a user passes, with the bits of `terms` that refuse it; returns the base fee of the destination."""
    self._known(shard)
    terms: uint256 = self.terms[shard]
    if terms & refusing != 0:
        raw_revert(concat(method_id("ChannelClosed(uint32)"), convert(shard, bytes32)))
    used: uint256 = self.this_block
    # Without a branch: gas that is estimated in the block of an earlier message must do in the next one, too.
    is_same: uint256 = convert(used & MASK64 == block.number, uint256)
    used = ((used >> 64) * is_same << 64) + block.number + (1 << 64) + ((FIXED_BYTES + size) << 128)
    limits: uint256 = self.limits
    if (used >> 64) & MASK64 > limits & MASK64 or used >> 128 > (limits >> 64) & MASK64:
        raw_revert(method_id("OutboxFull()"))
    self.this_block = used
    return terms & MASK128


@internal
@view
def _check_call(size: uint256, carried: uint256, gasLimit: uint64):
    """The bounds of a call with `size` bytes of data, in a receipt that carries `carried` bytes."""
    limits: uint256 = self.limits
    if carried > (limits >> 128) & MASK64:
        raw_revert(concat(method_id("DataTooLong(uint256)"), convert(size, bytes32)))
    # 40 gas a byte is the dearest calldata of EIP-7623: what passes here can always pay its intrinsic gas.
    if convert(gasLimit, uint256) < 21000 + 40 * size or convert(gasLimit, uint256) > limits >> 192:
        raw_revert(concat(method_id("GasLimitOutOfRange(uint64)"), convert(gasLimit, bytes32)))


@internal
def _credit(shard: uint32, sender: address, to: address, amount: uint256) -> bytes32:
    nonce: uint64 = self._next_nonce(shard)
    no_data: Bytes[32] = b""
    id: bytes32 = keccak256(concat(0x7d, abi_encode(
        self._chain_id(shard), self._own_number(), nonce, CREDIT, sender, to, amount,
        empty(uint64), empty(uint256), empty(address), no_data)))
    self._record(shard, id, amount)
    log Sent(id=id, destination=shard, nonce=nonce, kind=CREDIT, sender=sender, to=to, amount=amount,
             gas_limit=0, fee=0, refund_to=empty(address), data=b"")
    return id


@internal
def _record(shard: uint32, id: bytes32, total: uint256):
    self.totals[shard] += 1 + (total << 64)
    self.accumulators[shard] = keccak256(concat(self.accumulators[shard], id))


@internal
@view
def _next_nonce(shard: uint32) -> uint64:
    return convert(self.totals[shard] & MASK64, uint64)


@internal
@view
def _chain_id(shard: uint32) -> uint256:
    return (self.network >> 64) + convert(shard, uint256)


@internal
@view
def _own_number() -> uint256:
    return (self.network >> 32) & MASK32
