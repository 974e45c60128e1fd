# Everything a newcomer needs: `make demo` and `make test`. `make help` lists the rest.
CARGO ?= cargo
# Seconds until `make demo` ends by itself; empty = until Ctrl-C.
DURATION ?=

.PHONY: help demo build test lint doc features bench tools browser clean

help: ## lists these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: ## a contact centre live on this screen, from the embedded simulator
	@$(CARGO) build --release --quiet --locked
	@./target/release/genesys-stream demo $(if $(DURATION),--duration $(DURATION))

build: ## the release binary, target/release/genesys-stream
	$(CARGO) build --release --locked

# Most tests wait for timers and sockets: more threads than cores.
export RUST_TEST_THREADS ?= 8

test: ## all default tests
	$(CARGO) test --locked

lint: ## fmt, clippy and docs, warnings denied (clippy also holds the MSRV)
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

features: ## every combination of features compiles without warnings
	RUSTFLAGS="-D warnings" $(CARGO) check --locked --lib --no-default-features
	RUSTFLAGS="-D warnings" $(CARGO) check --locked --no-default-features --features cli
	RUSTFLAGS="-D warnings" $(CARGO) check --locked --lib --no-default-features --features simulator

tools: ## installs what `make browser` needs: Chromium, promtool, npm packages (Debian, as root)
	@tests/browser/install

browser: build ## the live page in a real browser, the metrics through promtool
	@tests/browser/run

doc: ## the library's documentation, target/doc
	$(CARGO) doc --locked --no-deps

bench: ## throughput and cost per event, against a ceiling in the same run
	$(CARGO) bench --locked

clean: ## removes what was built
	$(CARGO) clean
