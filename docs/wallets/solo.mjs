// node solo.mjs [RPC of shard 0]: what a test does on a network of one's own
import { createTestClient, defineChain, http, parseEther, publicActions, walletActions } from "viem";

const [url = "http://127.0.0.1:8545"] = process.argv.slice(2);
const nativeCurrency = { name: "Coin", symbol: "COIN", decimals: 18 };
const chain = defineChain({ id: 735700, name: "shard 0", nativeCurrency, rpcUrls: { default: { http: [url] } } });
const bob = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const safe = "0x5afe5afe5afe5afe5afe5afe5afe5afe5afe5afe";

for (const mode of ["anvil", "hardhat"]) {
  const dev = createTestClient({ chain, mode, transport: http() }).extend(publicActions).extend(walletActions);
  const held = await dev.getBalance({ address: safe });
  const id = await dev.snapshot();
  await dev.setCode({ address: safe, bytecode: "0x602a5f5260205ff3" });
  await dev.setBalance({ address: safe, value: parseEther("3") });
  await dev.impersonateAccount({ address: safe });
  const hash = await dev.sendTransaction({ account: safe, to: bob, value: 1n });
  const { status } = await dev.waitForTransactionReceipt({ hash });
  await dev.stopImpersonatingAccount({ address: safe });
  const before = (await dev.getBlock()).timestamp;
  await dev.increaseTime({ seconds: 3600 });
  await dev.mine({ blocks: 3, interval: 60 });
  const passed = (await dev.getBlock()).timestamp - before;
  await dev.revert({ id });
  const same = (await dev.getBalance({ address: safe })) === held;
  console.log(`${mode}: sent by a contract: ${status}, an hour passed: ${passed > 3600n}, after going back it holds what it held: ${same}`);
}
