# The doors to this repository. `make help` lists them.
#
# Needs: make, a POSIX shell. Everything else is looked for by scripts/setup, which installs what
# is missing on Debian and Ubuntu, and says what to install elsewhere.

SHELL := /bin/sh
# rustup's folder, for shells that were opened before it was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin
# In CI the lock file must be right already; on a desk cargo may bring it up to date.
LOCKED := $(if $(CI),--locked)
TARGET := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help run test check book bench package fuzz setup clean

help: ## lists the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS='	' read -r t d; do printf '  make %-7s %s\n' "$$t" "$$d"; done

run: ## starts a whole gateway with sample users on this machine (countersign demo)
	scripts/setup build
	scripts/web
	cargo build $(LOCKED) --profile quick -p cli
	exec $(TARGET)/quick/countersign demo

# Bins and tests are built together first, so that the end-to-end tests find the program they start,
# built with the same profile and features as themselves. The dashboard comes before: it is in that program.
test: ## sets up everything and passes every test, real peers included
	scripts/setup test
	scripts/web
	cargo build $(LOCKED) --workspace --bins --tests
	cargo build $(LOCKED) --profile counted -p dataplane --bin counting --features counting
	cargo test $(LOCKED) --workspace
	cd web && npm test
	cd web && COUNTERSIGN_BIN=$(abspath $(TARGET))/debug/countersign npm run e2e

check: ## formatting, lints, licences and bans, documentation
	scripts/setup check
	scripts/web packages
	cd web && npm run check
	cargo fmt --all --check
	cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	scripts/cargo-deny --all-features check bans licenses sources
	RUSTDOCFLAGS='-D warnings' cargo doc $(LOCKED) --workspace --no-deps
	$(MAKE) --no-print-directory book

book: ## builds the book into target/book
	scripts/mdbook build docs --dest-dir $(abspath target/book)
	@echo 'open target/book/index.html'

bench: ## builds the release and measures it against its peers
	scripts/setup test
	cargo build $(LOCKED) --release -p cli
	bench/run

package: ## makes the Debian package and the RPM (scripts/package)
	scripts/package all

fuzz: ## throws hostile octets at what reads them, 30 s for each target (SECONDS=480: two hours in all)
	scripts/setup fuzz
	scripts/fuzz $(SECONDS)

setup: ## installs what run, test and check need
	scripts/setup build test check

clean: ## removes what was built, the tools under target/ and web/node_modules included
	rm -rf $(TARGET) target fuzz/target web/dist web/node_modules
