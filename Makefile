# make demo: install, run the main job on the embedded demo corpus, print the table and where to look.
# make test: install, run the tests but the slow ones.   make check: what CI runs, all tests.   make bench: the measured claims of README and docs.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Two files of tests at a time, the long ones first (tests/conftest.py); a file's own tests stay in order (the README's lines build on each other).
# TESTS= runs one file after the other.
TESTS ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all check lint bench clean

demo: $(VENV)/.demo
	$(BIN)/nverbench run --backbone audio-mamba-base --fusion reno
	@echo "the table again:  $(BIN)/nverbench leaderboard show"
	@echo "epoch by epoch:   $(BIN)/mlflow ui    (then open the address it prints)"

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(TESTS) -m "not slow"

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest $(TESTS)

check: lint test-all

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/speed/startup.py
	$(BIN)/python benchmarks/speed/heads.py
	$(BIN)/python benchmarks/speed/waiting.py
	$(BIN)/python benchmarks/science/reno_norm.py
	$(BIN)/python benchmarks/speed/backbones.py
	$(BIN)/python benchmarks/science/fold_digests.py --check
	$(BIN)/python benchmarks/science/transport.py
	$(BIN)/python benchmarks/speed/fit.py
	$(BIN)/python benchmarks/scale/scale.py
	$(BIN)/python benchmarks/scale/sizing.py
	$(BIN)/python benchmarks/speed/throughput.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) nverbench-runs mlflow.db mlruns
