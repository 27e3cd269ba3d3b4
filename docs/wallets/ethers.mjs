// node ethers.mjs [RPC of shard 0] [RPC of shard 1]
import { readFileSync } from "node:fs";
import { Contract, ContractFactory, HDNodeWallet, JsonRpcProvider, WebSocketProvider, Wallet, formatEther, parseEther } from "ethers";

const [first = "http://127.0.0.1:8545", second = "http://127.0.0.1:8546"] = process.argv.slice(2);
const shards = [first, second].map((url) => new JsonRpcProvider(url, undefined, { pollingInterval: 500 }));
const alice = HDNodeWallet.fromPhrase("test test test test test test test test test test test junk").connect(shards[0]);
const store = JSON.parse(readFileSync(new URL("store.json", import.meta.url)));

console.log("chain", (await shards[0].getNetwork()).chainId, "of", alice.address, "holding coins:", (await shards[0].getBalance(alice)) > 0n);

const bob = Wallet.createRandom().address;
const transfer = await (await alice.sendTransaction({ to: bob, value: parseEther("1.5") })).wait();
console.log("transfer: status", transfer.status, "bob has", formatEther(await shards[0].getBalance(bob)));

const contract = await new ContractFactory(store.abi, store.bytecode, alice).deploy();
await contract.waitForDeployment();
console.log("deployed: get() =", await contract.get());

const live = new WebSocketProvider(first.replace("http", "ws"));
const heard = new Promise((resolve) => new Contract(contract, store.abi, live).on("Stored", (value) => resolve(value)));
await live.send("eth_chainId", []);
await (await contract.set(42n)).wait();
console.log("heard: Stored", await heard, "get() =", await contract.get());
await live.destroy();

const outbox = new Contract("0x0000000000000000000000000000000000005a01", ["function transfer(uint32 shard, address to) payable"], alice);
const sent = await (await outbox.transfer(1, bob, { value: parseEther("0.25") })).wait();
let crossing;
do {
  await new Promise((resolve) => setTimeout(resolve, 500));
  crossing = (await shards[0].send("shard_getCrossShardTransaction", [sent.hash])).receipts[0];
} while (crossing.state !== "delivered");
console.log("crossing:", crossing.state, "and bob has", formatEther(await shards[1].getBalance(bob)), "on shard 1");
shards.forEach((shard) => shard.destroy());
