const assert = require("node:assert");
const { join } = require("node:path");
const { ethers } = require("hardhat");
const helpers = require("@nomicfoundation/hardhat-network-helpers");
const { abi, bytecode } = require(join(__dirname, "..", "..", "store.json"));

async function deployed() {
  const alice = await ethers.getImpersonatedSigner("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
  const store = await (await new ethers.ContractFactory(abi, bytecode, alice).deploy()).waitForDeployment();
  return { store, safe: "0x5afe5afe5afe5afe5afe5afe5afe5afe5afe5afe" };
}

describe("a contract on a network of one's own", () => {
  it("starts from its fixture", async () => {
    const { store } = await helpers.loadFixture(deployed);
    await (await store.set(42)).wait();
    assert.equal(await store.get(), 42n);
  });

  it("starts from it again", async () => {
    const { store } = await helpers.loadFixture(deployed);
    assert.equal(await store.get(), 0n);
  });

  it("is called by an account nobody has the key of", async () => {
    const { store, safe } = await helpers.loadFixture(deployed);
    await helpers.setBalance(safe, ethers.parseEther("1"));
    await (await store.connect(await ethers.getImpersonatedSigner(safe)).set(7)).wait();
    assert.equal(await store.get(), 7n);
  });

  it("sees a year go by", async () => {
    await helpers.loadFixture(deployed);
    const before = await helpers.time.latest();
    await helpers.time.increase(365 * 86_400);
    assert.ok((await helpers.time.latest()) - before >= 365 * 86_400);
    await helpers.mine(5, { interval: 60 });
    assert.ok((await helpers.time.latest()) - before >= 365 * 86_400 + 240);
  });
});
