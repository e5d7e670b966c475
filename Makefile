# Everything that a newcomer or CI runs. Each target does its own set-up in .venv; a second run is quick.
#   make demo      see it work on a made-up district
#   make test      the everyday tests            make test-all  the long proofs too
#   make check     all that CI checks            make bench     the benchmarks
#   make format    let ruff put the code right   make lock      renew the locked requirements
#   make docs      renew the reference pages that the program itself can write

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := $(PIP_INSTALL) --require-hashes --requirement
PIP_COMPILE := .venv-lock/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
# As many workers as there are cores, four at most: each starts a PostgreSQL of its own.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4

.PHONY: demo install dev test test-all check lint types imports format docs bench lock clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# *\(make .*\)/\1/p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "rostersync needs Python 3.11 or newer; name one with: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The locked requirements hold setuptools too, so that the project itself is installed without asking anyone for more.
$(VENV)/installed: $(BIN)/python requirements.txt pyproject.toml
	@echo "Installing the requirements into $(VENV) …" >&2
	@$(LOCKED) requirements.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@echo "Installing the development tools into $(VENV) …" >&2
	@$(LOCKED) requirements-dev.txt
	@touch $@

install: $(VENV)/installed
dev: $(VENV)/installed-dev

demo: install
	@$(BIN)/rostersync demo

test: dev
	$(PYTEST) -m "not slow"

test-all: dev
	$(PYTEST)

lint: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: dev
	$(BIN)/mypy

imports: dev
	$(BIN)/lint-imports

# The tests come last, so that pytest's summary is the last line.
check: lint types imports
	$(PYTEST) -m "not slow"

format: dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: dev
	$(BIN)/python docs/generate.py

bench: dev
	$(BIN)/python -m benchmarks

lock:
	test -x .venv-lock/bin/pip-compile || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet pip-tools; }
	$(PIP_COMPILE) --build-deps-for editable --output-file requirements.txt pyproject.toml
	$(PIP_COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

clean:
	rm -rf $(VENV) .venv-lock build *.egg-info .mypy_cache .ruff_cache .hypothesis
