# Every verb that a person, a git hook or CI uses. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first interpreter on PATH that is new enough *and runs*: a version manager's shim may exist without a Python.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
STAMP := .venv/.setup
SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml 2>/dev/null) Cargo.toml Cargo.lock pyproject.toml

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything in it, the extension built

.venv/.packages: requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none on PATH runs: install one, or say make PYTHON=/path/to/python3"; exit 1; }
	@command -v cargo >/dev/null || { echo "Rust is needed (cargo is not on PATH): install it with rustup or your distribution"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# The installed distribution is editable: Python changes need no set-up, Rust changes do.
$(STAMP): .venv/.packages $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## set up, start a gateway on an embedded Valkey, and show a simulated evening
	@$(BIN)/gateway demo $(ARGS)

test: setup ## set up, then run every check and every test; the last line counts them
	@$(BIN)/python -m scripts.run_tests $(ARGS)

check: setup ## fast: format, lint, types, imports, stubs, clippy, unit tests
	@$(BIN)/python -m scripts.run_tests --fast

DIST ?= dist
wheel: setup ## the wheel, for every CPython from 3.11 up, and the source distribution, in dist/
	$(BIN)/maturin build --quiet --release --locked --interpreter $(BIN)/python --out $(DIST)
	$(BIN)/maturin sdist --out $(DIST)

format: setup ## rewrite the sources in the house's format
	$(BIN)/ruff check --quiet --fix --exit-zero .
	$(BIN)/ruff format --quiet .
	cargo fmt --all

docs: setup ## write the tables of docs/reference anew from the code
	$(BIN)/python -m scripts.docs_tables --write

clients: setup ## build and test the clients: TypeScript (needs Node 20 or newer, with npm) and Python
	@$(BIN)/python -m scripts.clients

browser: setup ## the demo page and the console in headless Chromium; builds the TypeScript client if it is not built
	@$(BIN)/python -m scripts.browser $(ARGS)

conformance: setup ## the Autobahn cases against the native read side
	@$(BIN)/python -m pytest tests/conformance $(ARGS)

faults: setup ## break everything that can break (about 20 minutes); writes docs/reference/loss-budget.md
	@FAULTS_FULL=1 $(BIN)/python -m pytest tests/faults $(ARGS)

churn: setup ## 100,000 connections come and go, and leave nothing behind
	@CHURN_CONNECTIONS=100000 $(BIN)/python -m pytest tests/integration/test_churn.py -s $(ARGS)

bench: setup ## index, serialization and resume; prints the ratios
	$(BIN)/python -m pytest benches --benchmark-only --benchmark-sort=name --benchmark-json=.benchmarks/latest.json -q -p no:randomly --timeout=600
	$(BIN)/python -m scripts.bench_table .benchmarks/latest.json

bench-load: setup ## load against real sockets and peers (about 15 minutes); writes benches/results
	$(BIN)/python -m benches.load $(ARGS)

bench-relay: setup ## events by Redis to clients, by rooms and nodes (about 6 minutes); writes benches/results
	$(BIN)/python -m benches.relay $(ARGS)

audit: setup ## known vulnerabilities of what is locked, by pip-audit and cargo-audit; needs the servers of their data
	$(BIN)/uv tool run pip-audit --strict --disable-pip --require-hashes -r requirements.lock
	cargo audit --version >/dev/null || cargo install --locked cargo-audit
	cargo audit

lock: .venv/.packages ## resolve requirements.lock and Cargo.lock anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --group dev pyproject.toml -o requirements.lock --upgrade
	cargo update

hooks: setup ## install the git hook that runs make check before a commit
	$(BIN)/pre-commit install

clean: ## remove what set-up and builds have made
	rm -rf .venv .venvs target dist clients/typescript/{node_modules,dist,build} python/gateway/endpoints/demo/assets/fanout-client.js .benchmarks .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find python -name '*.so' -delete

.PHONY: help setup run test check clients browser conformance faults churn format docs bench bench-load bench-relay wheel audit lock hooks clean
