#!/usr/bin/env node
// The compiler of npm's "solc" as a program, for forge: it is asked with --version or with --standard-json, and told the sources on stdin
const { readFileSync } = require("node:fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler\nVersion: ${solc.version()}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  console.error("usage: solc.cjs --version | --standard-json");
  process.exitCode = 1;
}
