# `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

ARGS ?=
PYTHON := .venv/bin/python
PACKAGES := primitives consensus shard p2p node benchmarks
HAVE := $(wildcard $(PACKAGES))
# Tests of real node processes mostly wait, so two files of them run side by side; the clusters have ports and folders of their own.
TEST_JOBS ?= 2
WITH_PROCESSES := tests/e2e tests/docker tests/network
# What has Python take the modules that mypyc compiled, and not those in the folder it is called in.
ON_COMPILED := PYTHONSAFEPATH=1 PYTHONPATH="$(CURDIR)/build/compiled"
COMPILED ?=

.PHONY: help setup setup-checks up test test-unit test-simulation test-e2e test-network soak-network conformance differential fuzz check lint types imports contracts example bench bench-compiled compiled seeds mutations receipts receipts-broken rpc-page terminal-pictures screenshots lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv with all that is needed (instant when nothing changed)
	@tools/setup.sh

setup-checks: ## As setup, plus the contract compiler, docker-compose and Chromium
	@tools/setup.sh checks

up: setup ## Start a local network in the foreground; options through ARGS="--nodes 1"
	@.venv/bin/shardnet up $(ARGS)

test: setup-checks ## Run all tests
	$(PYTHON) -m pytest -n $(TEST_JOBS) --dist loadfile $(foreach folder,$(WITH_PROCESSES),--ignore $(folder)) $(ARGS)
	$(PYTHON) -m pytest -n $(TEST_JOBS) --dist loadfile tests/e2e tests/docker $(ARGS)
	$(PYTHON) -m pytest tests/network --capture no $(ARGS)

test-unit: setup ## Run the tests that start no node process
	$(PYTHON) -m pytest -n $(TEST_JOBS) --dist loadfile $(foreach folder,$(WITH_PROCESSES) tests/simulation,--ignore $(folder)) $(ARGS)

test-simulation: setup ## Run the simulated networks
	$(PYTHON) -m pytest -n $(TEST_JOBS) tests/simulation $(ARGS)

test-e2e: setup-checks ## Run the tests against real node processes
	$(PYTHON) -m pytest -n $(TEST_JOBS) --dist loadfile tests/e2e $(ARGS)

test-network: setup-checks ## Run the tests on a network that is parted, loses packets and ends processes; as root
	$(PYTHON) -m pytest tests/network --capture no $(ARGS)

soak-network: setup-checks ## Kill node processes at random moments under load; SECONDS=120
	SOAK_SECONDS=$(or $(SECONDS),120) $(PYTHON) -m pytest tests/network/test_kills.py --capture no $(ARGS)

conformance: setup ## Run the public test vectors and count; ARGS="SUITE ..." runs some suites
	$(PYTHON) -m tests.conformance $(ARGS)

differential: setup ## Random programs on both engines, which must agree; SECONDS=600 SEED=1
	$(PYTHON) -m tests.shard.fast.differential --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1)

fuzz: setup ## Ask every JSON-RPC method with made-up arguments; EXAMPLES=50 batches of each
	FUZZ_EXAMPLES=$(or $(EXAMPLES),50) $(PYTHON) -m pytest -n $(TEST_JOBS) tests/node/rpc/fuzzing $(ARGS)

check: setup-checks lint types imports contracts ## Lint, types, who-imports-whom, contract artefacts

lint: setup
	$(PYTHON) -m ruff check .

types: setup
	$(PYTHON) -m mypy $(HAVE)

imports: setup
	.venv/bin/lint-imports --cache-dir .import_linter_cache

contracts: setup-checks
	$(PYTHON) -m shard.contracts.build --check

example: setup ## Run the swap across two shards; ARGS="--rpc URL" uses a network that runs
	$(PYTHON) docs/examples/swap/swap.py $(ARGS)

bench: setup ## Run the benchmarks; ARGS="--help" tells which
	$(PYTHON) -m benchmarks $(ARGS)

compiled: setup ## Compile the rules and the simulator with mypyc into build/compiled, for bench-compiled and seeds
	$(PYTHON) -m tools.compiled

bench-compiled: compiled ## Run the benchmark of simulated networks on compiled rules
	$(ON_COMPILED) $(PYTHON) -m benchmarks simulation

seeds: setup $(if $(COMPILED),compiled) ## Simulate networks drawn from SEEDS=1000 seeds on all cores; goes on where it stopped; COMPILED=1 ARGS="--help"
	$(if $(COMPILED),$(ON_COMPILED)) $(PYTHON) -m node.simulator.seeds --seeds $(or $(SEEDS),1000) $(ARGS)

mutations: setup ## Break rules on purpose and count the seeds until a simulated network notices
	$(PYTHON) -m tests.simulation.mutations $(ARGS)

receipts: setup ## Random cross-shard programs on the real EVM, with crashes; STEPS=10000 SEED=1
	$(PYTHON) -m tests.simulation.receipt_machine --steps $(or $(STEPS),10000) --seed $(or $(SEED),1)

receipts-broken: setup ## Break rules of receipts on purpose; what those programs find
	$(PYTHON) -m tests.simulation.receipt_mutations

rpc-page: setup ## Write the table of JSON-RPC methods in docs/json-rpc.md anew
	$(PYTHON) -m tools.rpc_page

terminal-pictures: setup ## Draw what a terminal shows anew, for docs/images; starts a network on the usual ports
	$(PYTHON) tools/terminal_pictures.py

screenshots: setup-checks ## Draw the explorer anew, for docs/images
	$(PYTHON) -m tests.e2e.explorer.pictures

lock: ## Rewrite the lock files from requirements*.in
	@tools/lock.sh

clean: ## Remove environments, caches and builds
	rm -rf .venv .venv-vyper .venv-lock .venv-setup.* build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
