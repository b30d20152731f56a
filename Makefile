# Every target sets up what it needs: a virtual environment in .venv, with the wheel built from this tree.

PYTHON3 ?= python3
CARGO ?= cargo
SERVE ?=
SINKS ?=
SOURCES ?= sources
WHEEL_PROFILE ?= release

BIN := .venv/bin
DENY_VERSION := 0.20.2
NIGHTLY := nightly-2026-10-30
PYINSTALLER_VERSION := 6.22.3
CARGO_FUZZ_VERSION := 0.13.2
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/soundpost/tools
# Builds of loom, miri, tsan and fuzz, whose dependencies are then built once for all clones.
CHECKS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/soundpost/checks
DENY := $(TOOLS)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
CARGO_FUZZ := $(TOOLS)/cargo-fuzz-$(CARGO_FUZZ_VERSION)/bin/cargo-fuzz
REQUIREMENTS := python/requirements-dev.txt $(wildcard examples/tts_service/requirements*.txt)
WHEEL_SOURCES := Cargo.toml $(wildcard Cargo.lock pyproject.toml) \
	$(shell find crates python/soundpost -type f -not -name '*.pyc' 2>/dev/null)

export PYTHON3 CARGO
# Tests and examples that run `soundpost`, `python` or `maturin` by name mean those of this tree.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo demo-zero freeze test test-rust test-python test-servers test-upstream gpu-check lint features checks loom miri fuzz tsan deny bench docs clean
.DELETE_ON_ERROR:

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

setup: .venv/wheel ## Install what is needed, build the wheel, install it in .venv

freeze: .venv/wheel ## Freeze the example speech service with PyInstaller, and run the demo on it
	python -m pip install --quiet --disable-pip-version-check pyinstaller==$(PYINSTALLER_VERSION)
	python scripts/freeze.py

# SINKS=1 adds the servers of the tests.
demo: .venv/wheel ## Run the example speech service and show what is recorded (SERVE=1: stay up; SINKS=1: into real servers, too)
	@$(if $(SINKS),servers=$$(python scripts/servers.py) && eval "$$servers" && PYTHONPATH=examples/tts_service python tests/servers/sinks_demo.py,cd examples/tts_service && python -m demo) $(if $(SERVE),--serve)

demo-zero: .venv/gradio ## Run a Gradio app without a line of Soundpost under `soundpost run` (SERVE=1: stay up)
	@python examples/gradio_tts/demo_zero.py $(if $(SERVE),--serve)

test: test-rust test-python ## Run every test that needs no other server

test-rust: .venv/tools
	$(BIN)/python scripts/rust_tests.py --workspace --exclude soundpost-python --all-features

# The tests of most files wait, so four run at a time; those that measure times run alone.
test-python: .venv/wheel
	pytest -n 4 --dist worksteal -m "not timed" python/tests examples
	pytest -m timed python/tests

test-servers: .venv/wheel .venv/gradio ## Run the tests against real servers, which the first run builds
	@servers=$$(python scripts/servers.py) && eval "$$servers" && \
		pytest --numprocesses 4 --dist loadfile tests/servers tests/upstream --sources "$$SERVICE_PACKAGES"

# SOURCES is a folder with clones of the services, such as SOURCES/CosyVoice.
test-upstream: .venv/wheel ## Run the services' own files in SOURCES with fake models, and check the hooks' signatures
	pytest --numprocesses 4 -rs tests/upstream --sources "$(SOURCES)"

gpu-check: .venv/wheel ## Check on a real GPU what can be seen only there (see docs/gpu.md)
	@python scripts/gpu_check $(if $(ONLY),--only $(ONLY))

lint: .venv/wheel ## Check format, lints, types, stubs, licences and prose
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	python scripts/licences.py
	python scripts/prose.py
	ruff check .
	ruff format --check .
	mypy --strict python/soundpost
	python -m mypy.stubtest soundpost._native

features: .venv/tools ## Check `soundpost` with each feature alone, with none and with all
	$(BIN)/python scripts/features.py

# Removes what clones left there a week ago.
checks:
	@mkdir -p $(CHECKS) && find $(CHECKS) -depth -name '*soundpost*' -mtime +7 -exec rm -rf {} +

loom: .venv/tools checks ## Explore the interleavings of the segment's writers and readers with loom
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$(CHECKS)/loom $(CARGO) test --package soundpost-core --lib --release loom

miri: .venv/tools checks ## Run the segment's unit tests under miri, with a nightly toolchain that rustup installs
	@if rustup toolchain install $(NIGHTLY) --no-self-update --profile minimal --component miri,rust-src; then \
		MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=2 CARGO_TARGET_DIR=$(CHECKS)/miri $(CARGO) +$(NIGHTLY) \
			miri test --package soundpost-core --lib segment::tests::unit -- --skip other_versions; \
	else echo "miri: left out, because $(NIGHTLY) cannot be installed"; fi

fuzz: .venv/tools checks $(CARGO_FUZZ) ## Fuzz the readers of foreign bytes, FUZZ_SECONDS=60 each, with a nightly toolchain that rustup installs
	@if rustup toolchain install $(NIGHTLY) --no-self-update --profile minimal; then \
		RUSTUP_TOOLCHAIN=$(NIGHTLY) $(CARGO_FUZZ) build --fuzz-dir tests/fuzz --target-dir $(CHECKS)/fuzz && \
		python scripts/fuzz.py $(CHECKS)/fuzz $(TARGETS); \
	else echo "fuzz: left out, because $(NIGHTLY) cannot be installed"; fi

tsan: .venv/tools checks ## Run the tests that record from several threads under ThreadSanitizer, with a nightly toolchain
	@if rustup toolchain install $(NIGHTLY) --no-self-update --profile minimal --component rust-src; then \
		RUSTFLAGS=-Zsanitizer=thread TSAN_OPTIONS=halt_on_error=1 CARGO_TARGET_DIR=$(CHECKS)/tsan \
			$(CARGO) +$(NIGHTLY) test -Zbuild-std --target x86_64-unknown-linux-gnu --package soundpost-core \
			--test calls --test registry --test nested -- --skip full::; \
	else echo "tsan: left out, because $(NIGHTLY) cannot be installed"; fi

$(CARGO_FUZZ):
	$(CARGO) install --quiet --locked --root $(CARGO_FUZZ:/bin/cargo-fuzz=.part) cargo-fuzz@$(CARGO_FUZZ_VERSION)
	mv -T $(CARGO_FUZZ:/bin/cargo-fuzz=.part) $(CARGO_FUZZ:/bin/cargo-fuzz=)

deny: $(DENY) ## Check dependencies with cargo-deny, which the first run builds
	$(DENY) check licenses bans sources

$(DENY):
	$(CARGO) install --quiet --locked --root $(DENY:/bin/cargo-deny=.part) cargo-deny@$(DENY_VERSION)
	mv -T $(DENY:/bin/cargo-deny=.part) $(DENY:/bin/cargo-deny=)

bench: .venv/wheel ## Measure, side by side with the peers
	$(CARGO) bench --package soundpost-benches
	python benches/summary.py
	$(CARGO) run --quiet --release --package soundpost-benches --bin memory
	$(CARGO) run --quiet --release --package soundpost-benches --bin store
	$(CARGO) run --quiet --release --package soundpost-benches --bin reporter
	$(CARGO) run --quiet --release --package soundpost-benches --bin encode
	$(CARGO) run --quiet --release --package soundpost-benches --bin drain
	python -m pip install --quiet --disable-pip-version-check --requirement benches/python/requirements.txt
	python benches/python/run.py
	python benches/python/vitals.py
	python benches/python/logs.py
	python benches/python/levels.py
	python benches/python/integrations.py

docs: .venv/wheel ## Build the Rust documentation, and fail on a broken link
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --exclude soundpost-python

clean: ## Remove all that these targets made
	rm -rf .venv .whl .mypy_cache .ruff_cache .pytest_cache
	$(CARGO) clean

.venv/tools: scripts/setup $(REQUIREMENTS)
	scripts/setup
	test -x $(BIN)/python || $(PYTHON3) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(REQUIREMENTS:%=--requirement %)
	touch $@

.venv/wheel: .venv/tools $(WHEEL_SOURCES)
	rm -rf .whl
	maturin build --quiet --profile $(WHEEL_PROFILE) --interpreter python --out .whl
	python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .whl/soundpost-*.whl
	touch $@

.venv/gradio: .venv/wheel examples/gradio_tts/requirements.txt
	python -m pip install --quiet --disable-pip-version-check --requirement examples/gradio_tts/requirements.txt
	touch $@
