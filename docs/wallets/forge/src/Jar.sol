// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

interface Outbox {
    function transfer(uint32 shard, address to) external payable returns (bytes32 id);
}

/// Holds what is put into it, and empties itself into an account of another shard.
contract Jar {
    Outbox private constant OUTBOX = Outbox(0x0000000000000000000000000000000000005A01);

    address public immutable owner;
    uint256 public coins;

    event Put(address indexed from, uint256 coins);

    error NotTheOwner(address caller);

    constructor(address owner_) payable {
        owner = owner_;
        coins = msg.value;
    }

    function put() external payable {
        coins += msg.value;
        emit Put(msg.sender, msg.value);
    }

    function empty(uint32 shard, address to) external returns (bytes32 id) {
        if (msg.sender != owner) revert NotTheOwner(msg.sender);
        uint256 held = coins;
        coins = 0;
        return OUTBOX.transfer{value: held}(shard, to);
    }
}
