# Everything runs from .venv in this checkout; `make help` lists the targets.
# Overridable: PYTHON (interpreter that creates .venv), WORKERS (test processes), ARGS (passed on to a tool),
# CLUSTER_ARGS (the same, of the second tool of `mutants`).

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup serve pair test test-all format lint types mutants conditions structure compiled clients bench sanitize clean

VENV := .venv
BIN := $(VENV)/bin
SOURCES := weft tests tools
WORKERS ?= 2
ARGS ?=
CLUSTER_ARGS ?=

# What is compiled when Weft is installed.
KERNELS := $(sort $(wildcard weft/ops/cpu/cpp/*.cpp weft/ops/cpu/cpp/*.h)) weft/ops/cpu/cpp/CMakeLists.txt

# The stamp carries a checksum, not a time: switching branches re-installs only when the files differ.
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt $(KERNELS) | cksum | cut -d ' ' -f 1)

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP)  ## create .venv and install weft into it (needs the network once)

$(STAMP): | $(BIN)/python
	$(BIN)/python -m pip install --no-input -c constraints.txt -e '.[dev]'
	@rm -f $(VENV)/.installed-*
	@touch $@

$(BIN)/python:
	@for candidate in $(or $(PYTHON),python3.11 python3); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$candidate -m venv $(VENV)"; exec "$$candidate" -m venv $(VENV); \
	  fi; \
	done; \
	echo "make: no Python 3.11 or newer found; install one or name it: make PYTHON=/path/to/python3.11" >&2; \
	exit 1

serve: $(STAMP)  ## serve the built-in model on port 8000 (ARGS="..." go to weft serve)
	@exec $(BIN)/weft serve $(ARGS)

# Side by side on a thread each, since so small a model is no faster on two. Each goes on where it was; one that is done
# stays as it is.
pair: $(STAMP)  ## train weft-nano and weft-tiny in build/pair on 2 cores; goes on where it was stopped
	@$(MAKE) --no-print-directory -j 2 build/pair/weft-nano/config.json build/pair/weft-tiny/config.json

build/pair/%/config.json: $(STAMP)
	@resume=; if [ -d $(@D)/training ]; then resume=--resume; fi; \
	  $(BIN)/weft train $* --out $(@D) --dtype bfloat16 --threads 1 $$resume $(ARGS)

test: lint types  ## format check, lint, types and all tests but the nightly ones
	$(BIN)/python -m pytest -n $(WORKERS) -m "not nightly" $(ARGS)

test-all: lint types sanitize  ## the same with the nightly tests, and the kernels under sanitizers
	$(BIN)/python -m pytest -n $(WORKERS) --timeout 600 $(ARGS)

sanitize: $(STAMP)  ## tests of the kernels with AddressSanitizer and UndefinedBehaviorSanitizer (needs g++ and cmake)
	$(BIN)/python tools/sanitize.py

format: $(STAMP)  ## rewrite the sources in the one format, sort imports
	$(BIN)/python -m ruff check --select I --fix $(SOURCES)
	$(BIN)/python -m ruff format $(SOURCES)

lint: $(STAMP)  ## format check and lint
	$(BIN)/python -m ruff format --check $(SOURCES)
	$(BIN)/python -m ruff check $(SOURCES)

types: $(STAMP)  ## mypy --strict
	$(BIN)/python -m mypy

mutants: $(STAMP)  ## put known bugs back in; the property suite, or the fault campaign, must find each
	$(BIN)/python tools/mutants.py $(ARGS)
	$(BIN)/python tools/cluster_mutants.py $(CLUSTER_ARGS)

conditions: $(STAMP)  ## how often random histories reach each situation
	$(BIN)/python -m tests.properties.report $(ARGS)

structure: $(STAMP)  ## sizes of rooms, files and functions
	$(BIN)/python tools/structure.py $(ARGS)

compiled: $(STAMP)  ## a copy for long simulations in build/compiled (minutes); run with PYTHONPATH=build/compiled
	$(BIN)/python tools/compiled.py build/compiled

clients: $(STAMP)  ## run clients that others wrote, each in an environment of its own; writes docs/clients.md
	$(BIN)/python tools/client_matrix.py $(ARGS)

bench: $(STAMP)  ## what the scheduler costs per step
	$(BIN)/weft bench scheduler $(ARGS)

clean:  ## remove caches and build output; .venv stays
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(SOURCES) -type d -name __pycache__ -prune -exec rm -rf {} +
