// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Jar} from "../src/Jar.sol";

/// What this script asks of forge; forge-std has all of it.
interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// Deploys a jar, puts a coin into it, and empties it into an account of another shard: three transactions.
contract Cross {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run(uint32 shard, address to) external returns (Jar jar, bytes32 id) {
        VM.startBroadcast();
        jar = new Jar(msg.sender);
        jar.put{value: 1 ether}();
        id = jar.empty(shard, to);
        VM.stopBroadcast();
    }
}
