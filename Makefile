# Every target sets up its own environment on first use; see scripts/environment.sh for the lanes.
#   make test                 in the lane of this machine
#   make LANE=modern test     in a named lane: reference, modern or core
LANE ?= $(shell scripts/environment.sh choose)
BIN := .venv/$(LANE)/bin

# The networks are small: a second thread per matrix product costs more than it gives.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo bench docs test lint types pytest processor clean

# Processors that Numba can compile for on any x86: its names, and what lets kernels use AVX2.
PROCESSOR ?= generic
CPU_generic := NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES=
CPU_avx2 := NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=+avx2,+fma

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

setup: ## create or refresh the lane's virtual environment in .venv/
	@scripts/environment.sh set-up $(LANE)

demo: setup ## train, quantize, simulate and compare on embedded real data; results in build/demo
	$(BIN)/ltc2hw demo --out build/demo

bench: setup ## measure the engines against each other, Lava, torch and slayer; results in build/bench
	$(BIN)/python -m benchmarks --out build/bench

docs: setup ## build the site into build/docs, without a network; any warning ends it
ifeq ($(LANE),core)
	@echo "the reference needs torch: the site is not built in lane core"
else
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/docs-trees docs build/docs
	@echo "make docs: build/docs/index.html"
endif

test: lint types pytest ## all checks: ruff, mypy, pytest
	@echo "make test: all checks passed in lane $(LANE), $$($(BIN)/python --version)"

lint: setup ## ruff check and ruff format --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy --strict
ifeq ($(LANE),core)
	@echo "mypy needs the types of torch: not run in lane core"
else
	$(BIN)/mypy
endif

pytest: setup ## the tests and doctests alone
	$(BIN)/python -m pytest

processor: setup ## the tests of compiled code for another processor: PROCESSOR=generic or avx2
	$(CPU_$(PROCESSOR)) NUMBA_CACHE_DIR=$(CURDIR)/build/processor $(BIN)/python -m pytest \
		tests/simulations tests/vectors tests/neurons tests/training/test_compiled.py

clean: ## remove environments, caches and results
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
