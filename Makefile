# Everything a developer does. `make help` lists it; CI calls the same targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path 'web/dist/*' -not -path 'web/packed/*' 2>/dev/null)
# Tests run far from UTC, with a summer time, so that what goes by the local time shows. The servers of the end-to-end
# tests run in the machine's own zone.
ELSEWHERE := TZ=America/Los_Angeles
# Files are UTF-8 whatever the machine's language is.
export PYTHONUTF8 := 1
# All of it, always: a choice of packages has their dependencies compiled again, with the features that those ask for.
BUILD := cargo build --quiet --workspace --bins --examples
NPM := npm --no-fund --no-audit --loglevel=error

.PHONY: help run build web packages examples-web ingest test test-rust test-web test-conformance test-behaviour e2e lint format contract fixtures setup bench eval fuzz clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: build ingest ## Build everything, index the documentation and serve it on http://127.0.0.1:8000
	@exec ./target/release/parlor serve

build: web ## Build the release binary with the web assets inside: target/release/parlor
	@./scripts/say "Compiling the server (first time: a few minutes)"
	cargo build --release -p parlor-server

ingest: build ## Index the project's own documentation
	./target/release/parlor ingest docs --base-url /docs/

web: web/dist/chatkit.js ## Build the web packages into web/dist

web/node_modules/.package-lock.json: web/package-lock.json
	@./scripts/need node npm
	@./scripts/say "Installing the web packages' dependencies"
	@# Not `npm ci`: it refuses a lock file without the linter's binaries for other platforms,
	@# which some mirrors don't carry. This keeps to the lock file and leaves it as it is.
	cd web && $(NPM) install --no-save
	@touch $@

web/dist/chatkit.js: web/node_modules/.package-lock.json $(WEB_SOURCES)
	@./scripts/say "Building the element"
	cd web && $(NPM) run --silent build
	@touch $@

packages: web/packed/.done ## Pack the npm packages into web/packed: what `npm install` takes

web/packed/.done: web/node_modules/.package-lock.json $(WEB_SOURCES)
	@./scripts/say "Packing the npm packages"
	cd web && $(NPM) run --silent pack
	@touch $@

examples-web: packages ## Install and build the sites in examples/ that need it
	@./scripts/build-sites $(patsubst examples/%/package.json,%,$(wildcard examples/*/package.json))

setup: web/node_modules/.package-lock.json ## Install what the tests need: a browser, Python environments, an OpenID provider, cargo-deny
	@./scripts/setup-tests

test: setup lint test-rust test-web test-conformance test-behaviour e2e ## Run all checks and tests, installing what they need
	@./scripts/say "All tests passed"

test-rust: web setup ## Run the Rust tests
	@./scripts/say "Rust tests"
	$(ELSEWHERE) cargo test --workspace --quiet
	@./scripts/say "The stores' tests on PostgreSQL 18 with pgvector"
	$(ELSEWHERE) ./scripts/with-newest-postgres cargo test --quiet --workspace --test postgres
	$(ELSEWHERE) ./scripts/with-newest-postgres cargo test --quiet --workspace --test index postgres

test-web: web packages setup ## Run the web packages' tests, also in a browser
	@./scripts/say "Web tests"
	cd web && $(ELSEWHERE) $(NPM) run --silent test
	cd web && $(ELSEWHERE) ../scripts/second-tries $(NPM) run --silent test:browser
	cd web && $(NPM) run --silent size
	node --test tests/bundles/*.test.mjs

test-conformance: web setup ## Hold our types and the running server against the official models and server
	@./scripts/say "Conformance with the official models"
	.cache/venv/bin/python tests/conformance/record_fixtures.py --check
	$(BUILD)
	target/debug/examples/dump | .cache/venv/bin/python tests/conformance/check_rust.py
	target/debug/examples/dump | .cache/venv/bin/python tests/conformance/check_schema.py
	node tests/conformance/check_widgets_js.mjs
	.cache/venv/bin/python tests/conformance/check_widget_diff.py target/debug/examples/widgets_jsonl
	.cache/venv/bin/python tests/conformance/run.py
	.cache/venv/bin/python tests/conformance/s3.py
	.cache/venv/bin/python tests/conformance/mcp_servers.py
	node --test tests/agui/agui.test.mjs
	.cache/venv/bin/python tests/conformance/ways.py
	.cache/venv/bin/python examples/from-python/compare.py target/debug/example-from-python

test-behaviour: setup ## Cut, stop, race, kill, and put the server behind nginx
	@./scripts/say "Behaviour when things go wrong"
	$(BUILD)
	.cache/venv/bin/python tests/behaviour/run.py

e2e: web setup examples-web ## Run the end-to-end tests: real browser, real server, fake model
	@./scripts/say "End-to-end tests"
	$(BUILD)
	$(ELSEWHERE) ./scripts/second-tries node --test tests/e2e/*.test.mjs

lint: setup ## Check formatting, lints, types, licences
	@./scripts/say "Lint"
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet -p parlor-protocol -p parlor-chatkit -p parlor-store -p parlor-agent -p parlor-server
	.cache/tools/bin/cargo-deny --log-level error check bans licenses sources
	cd web && $(NPM) run --silent lint

format: web/node_modules/.package-lock.json ## Format all sources
	cargo fmt --all
	cd web && $(NPM) run --silent format

contract: web/node_modules/.package-lock.json ## Write the published contract again: JSON Schema, OpenAPI, TypeScript types
	cargo run --quiet -p parlor-protocol --example schema > contract/chatkit.schema.json.new
	mv contract/chatkit.schema.json.new contract/chatkit.schema.json
	cargo run --quiet -p parlor-server -- openapi > contract/openapi.json.new
	mv contract/openapi.json.new contract/openapi.json
	cd web && $(NPM) run --silent types

fixtures: setup ## Record the protocol fixtures again from the official models
	.cache/venv/bin/python tests/conformance/record_fixtures.py

bench: build setup ## Run the benchmarks and print their figures
	@./bench/run

eval: build ## Measure the search over the project's own documentation (CONFIG=file that names models)
	@./scripts/eval $(CONFIG)

fuzz: ## Look for inputs that break what must hold (MINUTES=1 for each, TARGET=name for one)
	@./scripts/fuzz "$(or $(MINUTES),1)" $(TARGET)

clean: ## Remove what was built and installed here
	rm -rf target web/dist web/packed web/node_modules web/tests/react-18/node_modules tests/oidc/node_modules tests/agui/node_modules .cache
	rm -rf examples/*/node_modules examples/*/.next examples/*/dist examples/*/.built examples/*/.docusaurus examples/*/build
