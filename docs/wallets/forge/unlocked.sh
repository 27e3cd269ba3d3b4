#!/usr/bin/env bash
# unlocked.sh [RPC of shard 0] [RPC of shard 1]: a script for an account that nobody has the key of, on a network of one's own
set -euo pipefail
shard0=${1:-http://127.0.0.1:8545} shard1=${2:-http://127.0.0.1:8546}
safe=0x5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c
bob=$(cast wallet new | awk '/Address/ {print $2}')
cd "$(dirname "$0")"

echo "balance set: $(cast rpc --rpc-url "$shard0" anvil_setBalance $safe "$(cast to-hex "$(cast to-wei 5)")")"
echo "impersonated: $(cast rpc --rpc-url "$shard0" anvil_impersonateAccount $safe)"
forge script --broadcast --unlocked --sender $safe --rpc-url "$shard0" script/Cross.s.sol --sig 'run(uint32,address)' 1 "$bob" | grep SUCCESSFUL
echo "no more: $(cast rpc --rpc-url "$shard0" anvil_stopImpersonatingAccount $safe)"
until [ "$(cast balance "$bob" --rpc-url "$shard1")" != 0 ]; do sleep 0.5; done
echo "bob has $(cast balance --ether "$bob" --rpc-url "$shard1") on shard 1"
