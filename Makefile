# Everything a newcomer needs: `make demo` and `make test`. `make help` lists the rest.
CARGO ?= cargo
# Seconds until `make demo` ends by itself; empty = until Ctrl-C.
DURATION ?=
# The targets below look for what was built in this folder, whatever the environment says.
export CARGO_TARGET_DIR = $(CURDIR)/target

.PHONY: help demo build install uninstall deb dist ordered soak test lint doc features engine bench parts instructions fuzz tools browser screenshots clean

help: ## lists these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: ## a contact centre live on this screen, from the embedded simulator
	@$(CARGO) build --release --quiet --locked
	@./target/release/genesys-stream demo $(if $(DURATION),--duration $(DURATION))

build: ## the release binary, target/release/genesys-stream
	$(CARGO) build --release --locked

# DESTDIR= (a staging root), PREFIX= (/usr/local by default), BIN= (another built program).
export DESTDIR BIN
PREFIX ?= /usr/local
export PREFIX

install: build ## binary, manual page, completions, unit, documentation and licences below DESTDIR PREFIX
	@contrib/package/install

uninstall: ## removes what `make install` put there
	@UNINSTALL=1 contrib/package/install

deb: build ## a Debian package, target/package/*.deb
	@contrib/package/deb

dist: build ## a tarball with its checksum and the licences of its crates, target/package/
	@contrib/package/dist

ordered: ## the same with the functions of an idle program next to each other: less resident memory (valgrind, LLD)
	@bench/link-order

# Most tests wait for timers and sockets: more threads than cores.
export RUST_TEST_THREADS ?= 8

# SECS= (seconds of attack a phase), PHASE= (only phases whose name holds it).
export SECS PHASE

soak: build ## hostile peers against the release binary: memory, snapshot file, stop, secrets (SECS=15 a phase, Linux)
	ulimit -n $$(ulimit -Hn); GS_PROGRAM=$(CURDIR)/target/release/genesys-stream $(CARGO) test --locked --test it -- --ignored --nocapture --exact soak::no_peer_takes_memory_time_or_secrets

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
	RUSTFLAGS="-D warnings" $(CARGO) check --locked --lib --no-default-features --features fuzzing
	RUSTFLAGS="-D warnings" $(CARGO) check --locked --lib --no-default-features --features engine

engine: ## feature engine: readers and dashboards around a real Redis (installs redis-server on Debian, as root)
	@command -v redis-server > /dev/null || { apt-get update -qq && apt-get install -y -qq redis-server; }
	CI=1 $(CARGO) test --locked --features engine --test it -- sharing::

tools: ## installs what `make browser` needs: Chromium, promtool, npm packages (Debian, as root)
	@tests/browser/install

browser: build ## the live page in a real browser, the metrics through promtool
	@tests/browser/run

screenshots: build ## the pictures of the README, docs/images/*.png, from the demo (needs `make tools`; five minutes)
	@node tests/browser/pictures.mjs ./target/release/genesys-stream docs/images

doc: ## the library's documentation, target/doc
	$(CARGO) doc --locked --no-deps

# ROUNDS=5, EVENTS= (a run), PYTHON= (an interpreter that has `websockets`), QUICK=1 (two rounds of `notifications` only).
export ROUNDS EVENTS PYTHON QUICK

bench: build ## the whole program beside other clients: speed, CPU, latency, memory (QUICK=1: two minutes)
	@for package in load x1 tokio ours run; do \
	  RUSTFLAGS= $(CARGO) build --release --locked --quiet --target-dir target/bench --manifest-path bench/$$package/Cargo.toml || exit; \
	done
	@./target/bench/release/run

parts: ## micro benchmarks of single parts
	$(CARGO) bench --locked

instructions: ## instructions of an event, counted by valgrind, against committed figures (UPDATE=1 writes them)
	$(CARGO) bench --locked --no-default-features --bench instructions

# SECS= (for each target; 0: the corpus only), TARGET= (one of them), JOBS= (targets at one time, 2 by default),
# SEED= (begins with the same inputs each time).
export SECS TARGET JOBS SEED

fuzz: ## attacks parsers, decoders, model and files with libFuzzer (a C++ compiler): SECS=60 each, TARGET=
	@fuzz/run

clean: ## removes what was built
	$(CARGO) clean
