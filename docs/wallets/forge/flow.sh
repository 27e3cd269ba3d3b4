#!/usr/bin/env bash
# flow.sh [RPC of shard 0] [RPC of shard 1]; wants forge and cast in PATH, and npm's solc
set -euo pipefail
shard0=${1:-http://127.0.0.1:8545} shard1=${2:-http://127.0.0.1:8546}
# The fifth test account; everybody knows its key.
alice=0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65
key=0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a
bob=$(cast wallet new | awk '/Address/ {print $2}')
cd "$(dirname "$0")"

jar=$(forge create --broadcast --rpc-url "$shard0" --private-key $key --value 0.5ether src/Jar.sol:Jar --constructor-args $alice |
  sed -n 's/^Deployed to: //p')
echo "create: the jar holds $(cast call --rpc-url "$shard0" "$jar" 'coins()(uint256)' | cut -d ' ' -f 1) wei"

forge script --broadcast --rpc-url "$shard0" --private-key $key script/Cross.s.sol --sig 'run(uint32,address)' 1 "$bob" | grep SUCCESSFUL
until [ "$(cast balance "$bob" --rpc-url "$shard1")" != 0 ]; do sleep 0.5; done
echo "script: bob has $(cast balance --ether "$bob" --rpc-url "$shard1") on shard 1"
