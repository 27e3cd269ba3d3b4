// node viem.mjs [RPC of shard 0] [RPC of shard 1]
import { readFileSync } from "node:fs";
import { createPublicClient, createWalletClient, defineChain, formatEther, http, parseAbi, parseEther, webSocket } from "viem";
import { generatePrivateKey, mnemonicToAccount, privateKeyToAddress } from "viem/accounts";

const urls = [process.argv[2] ?? "http://127.0.0.1:8545", process.argv[3] ?? "http://127.0.0.1:8546"];
const chains = urls.map((url, shard) =>
  defineChain({ id: 735700 + shard, name: `shard ${shard}`, nativeCurrency: { name: "Coin", symbol: "COIN", decimals: 18 }, rpcUrls: { default: { http: [url] } } }),
);
const shards = chains.map((chain) => createPublicClient({ chain, transport: http(), pollingInterval: 500 }));
const account = mnemonicToAccount("test test test test test test test test test test test junk", { addressIndex: 1 });
const wallet = createWalletClient({ account, chain: chains[0], transport: http() });
const { abi, bytecode } = JSON.parse(readFileSync(new URL("store.json", import.meta.url)));
const mined = async (hash) => shards[0].waitForTransactionReceipt({ hash: await hash });

console.log("chain", await shards[0].getChainId(), "of", account.address, "holding coins:", (await shards[0].getBalance(account)) > 0n);

const bob = privateKeyToAddress(generatePrivateKey());
const transfer = await mined(wallet.sendTransaction({ to: bob, value: parseEther("1.5") }));
console.log("transfer:", transfer.status, "bob has", formatEther(await shards[0].getBalance({ address: bob })));

const { contractAddress: address } = await mined(wallet.deployContract({ abi, bytecode }));
console.log("deployed: get() =", await shards[0].readContract({ address, abi, functionName: "get" }));

const live = createPublicClient({ chain: chains[0], transport: webSocket(urls[0].replace("http", "ws")) });
const heard = new Promise((resolve, reject) =>
  live.watchContractEvent({ address, abi, eventName: "Stored", onLogs: ([log]) => resolve(log.args.value), onError: reject }),
);
await live.getChainId();
await mined(wallet.writeContract({ address, abi, functionName: "set", args: [42n] }));
console.log("heard: Stored", await heard, "get() =", await shards[0].readContract({ address, abi, functionName: "get" }));
(await live.transport.getRpcClient()).close();

const outbox = { address: "0x0000000000000000000000000000000000005a01", abi: parseAbi(["function transfer(uint32 shard, address to) payable"]) };
const sent = await mined(wallet.writeContract({ ...outbox, functionName: "transfer", args: [1, bob], value: parseEther("0.25") }));
let crossing;
do {
  await new Promise((resolve) => setTimeout(resolve, 500));
  crossing = (await shards[0].request({ method: "shard_getCrossShardTransaction", params: [sent.transactionHash] })).receipts[0];
} while (crossing.state !== "delivered");
console.log("crossing:", crossing.state, "and bob has", formatEther(await shards[1].getBalance({ address: bob })), "on shard 1");
