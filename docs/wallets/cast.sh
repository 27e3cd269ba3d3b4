#!/usr/bin/env bash
# cast.sh [RPC of shard 0] [RPC of shard 1]; wants cast in PATH
set -euo pipefail
shard0=${1:-http://127.0.0.1:8545} shard1=${2:-http://127.0.0.1:8546}
# The fourth test account; everybody knows its key.
alice=0x90F79bf6EB2c4f870365E785982E1f101E93b906
key=0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6
bob=$(cast wallet new | awk '/Address/ {print $2}')
bytecode=$(sed -n 's/.*"bytecode": "\(0x[0-9a-f]*\)".*/\1/p' "$(dirname "$0")/store.json")
export ETH_RPC_URL=$shard0
field() { sed -n "s/^$1 *\([^ ]*\).*/\1/p"; }

echo "chain $(cast chain-id) of $alice holding coins: $([ "$(cast balance "$alice")" = 0 ] && echo false || echo true)"
echo "transfer: status $(cast send "$bob" --value 1.5ether --private-key $key | field status), bob has $(cast balance --ether "$bob")"

store=$(cast send --private-key $key --create "$bytecode" | field contractAddress)
echo "deployed: get() = $(cast call "$store" 'get()(uint256)')"
block=$(cast send "$store" 'set(uint256)' 42 --private-key $key | field blockNumber)
echo "logged: $(cast logs --from-block "$block" --address "$store" 'Stored(uint256)' | field '  data:'), get() = $(cast call "$store" 'get()(uint256)')"

outbox=0x0000000000000000000000000000000000005a01
sent=$(cast send $outbox 'transfer(uint32,address)' 1 "$bob" --value 0.25ether --private-key $key | field transactionHash)
until cast rpc shard_getCrossShardTransaction "$sent" | grep -q '"state":"delivered"'; do sleep 0.5; done
echo "crossing: delivered, and bob has $(cast balance --ether "$bob" --rpc-url "$shard1") on shard 1"
