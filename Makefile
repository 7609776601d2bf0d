# `make run` and `make test` need only Python 3.11 to 3.13 and make: they set up .venv first, once.
# Arguments of the command go through ARGS:  make run ARGS="--input maps/ --workspace fab"
# Another Python:  make run PYTHON=python3.12

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run test check bench soak clean distclean

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers
ARGS ?=
# tests/campaigns.py: a sample of the campaigns marked soak, or all of them with a record to go on from.
PYTEST := PYTHONPATH=tests $(BIN)/python -m pytest -p campaigns
# Two processes on two cores: a thread each, or they get into each other's way (a fifth of the time).
BY_TWO := TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 OMP_NUM_THREADS=1 $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder
# The first Python on PATH that TensorFlow has wheels for.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)

# Nothing here reports to anybody.
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
export DVC_NO_ANALYTICS := 1
export PYTHONUNBUFFERED := 1
# Hundreds of processes import TensorFlow here: compiling it anew takes each 12 s.
unexport PYTHONDONTWRITEBYTECODE

help:  ## what there is
	@sed -nE 's/^([a-z]+):[^#]*##  ?(.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS=$$'\t' read -r name what; do \
		printf '  make %-10s %s\n' "$$name" "$$what"; done

run: $(READY)  ## the main job, from landed maps to alerts: a simulated fab, or ARGS="--input PATH"
	@$(BIN)/inspection run $(ARGS)

test: $(READY)  ## all tests, with samples of the long campaigns
	@$(BY_TWO) $(ARGS)

check: $(READY)  ## lint, format, types, import arrows and the quick tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BY_TWO) -m "not slow and not soak" $(ARGS)

bench: $(PEERS)  ## every benchmark, its table on standard output
	@shopt -s nullglob; for f in benchmarks/bench_*.py; do echo "== $$f"; $(BIN)/python $$f $(ARGS); done

soak: $(READY)  ## the long campaigns whole, their result in docs/soak.md; interrupted, they go on where they stopped (.soak/)
	@INSPECTION_SOAK=1 $(PYTEST) -m soak $(ARGS) || [ $$? -eq 5 ]  # 5: all had passed before

clean:  ## remove caches and records; workspaces and .venv stay
	@rm -rf build dist .soak .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find inspection flows tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## remove .venv, too
	@rm -rf $(VENV) *.egg-info

# Stamped when everything is in: an interrupted set-up goes on, a changed pin installs again.
# Nothing is compiled here: Python compiles what is imported when it is, which is a third of it, and pip takes a minute for all.
$(READY): pyproject.toml constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "Cannot set up: expected Python 3.11, 3.12 or 3.13 on PATH, got $$(python3 --version 2>&1 || true)." \
		"Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "Cannot set up: expected Python 3.11, 3.12 or 3.13, got $$($(PYTHON) --version 2>&1). Name another: make PYTHON=..." >&2; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version 2>&1): about 270 packages, 3.5 GB, a few minutes"
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV); \
		uv pip install --python $(BIN)/python -c constraints.txt -e '.[dev,dask]'; \
	else \
		[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV) || { \
			echo "Cannot make $(VENV): Debian and Ubuntu keep it in the package python3-venv; install that, or uv." >&2; exit 1; }; \
		$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --no-compile -c constraints.txt -e '.[dev,dask]' | awk ' \
			/^Collecting|^Requirement already/ { printf "\r  %d packages looked at", ++n; fflush() } \
			/^Installing collected/ { printf "\n  installing them\n"; fflush() } \
			/^Successfully installed/ { print "  installed" }'; \
	fi
	@touch $@

# What the benchmarks compare with.
$(PEERS): $(READY)
	@if command -v uv >/dev/null; then uv pip install --python $(BIN)/python -c constraints.txt -e '.[bench]'; \
	else $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[bench]'; fi
	@touch $@
