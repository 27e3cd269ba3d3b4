require("@nomicfoundation/hardhat-ethers");
const { extendProvider } = require("hardhat/config");
const { ProviderWrapper } = require("hardhat/plugins");

// hardhat-network-helpers ask a network's name before they use evm_*, and know two
class KnownName extends ProviderWrapper {
  request(args) {
    return args.method === "web3_clientVersion" ? "anvil's methods, of shardnet" : this._wrappedProvider.request(args);
  }
}
extendProvider((provider) => new KnownName(provider));

module.exports = {
  defaultNetwork: "shardnet",
  networks: { shardnet: { url: process.env.ETH_RPC_URL ?? "http://127.0.0.1:8545" } },
  mocha: { timeout: 60_000 },
};
