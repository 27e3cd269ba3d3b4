# pragma version ==0.4.3
# pragma evm-version prague
"""
@title A pool that gives tokens for coins, at the price their product keeps constant.
@notice Nothing in it knows of other shards: a caller from another shard is an account like any other, its alias.
@dev An example: no shares, no fee, no way to take anything out again.
"""

interface Token:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(owner: address, receiver: address, amount: uint256) -> bool: nonpayable
    def balanceOf(owner: address) -> uint256: view

event Swapped:
    caller: indexed(address)
    receiver: indexed(address)
    coins: uint256
    tokens: uint256

token: public(address)


@deploy
def __init__(token: address):
    self.token = token


@external
@payable
def fund(tokens: uint256):
    """
    @notice Adds the attached coins, and tokens the pool was approved for.
    """
    assert extcall Token(self.token).transferFrom(msg.sender, self, tokens)


@external
@view
def quote(coins: uint256) -> uint256:
    """
    @notice Tokens that so many wei of coins would get now.
    """
    return self._tokens_for(coins, self.balance)


@external
@payable
def swap(minimum: uint256, receiver: address) -> uint256:
    """
    @notice Gives the receiver tokens for the attached coins; reverts if they would be fewer than the minimum.
    """
    tokens: uint256 = self._tokens_for(msg.value, self.balance - msg.value)
    if tokens < minimum:
        raw_revert(concat(method_id("TooFew(uint256)"), convert(tokens, bytes32)))
    assert extcall Token(self.token).transfer(receiver, tokens)
    log Swapped(caller=msg.sender, receiver=receiver, coins=msg.value, tokens=tokens)
    return tokens


@internal
@view
def _tokens_for(coins: uint256, reserve: uint256) -> uint256:
    return staticcall Token(self.token).balanceOf(self) * coins // (reserve + coins)
