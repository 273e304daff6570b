# Two commands matter: `make run` and `make test`. Everything else is listed by `make help`.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMP := $(VENV)/.installed
CLIENTS := .venv-clients
CLIENTS_STAMP := $(CLIENTS)/.installed
RUN_STAMP := $(VENV)/.run-installed

.DEFAULT_GOAL := help
.PHONY: help setup clients run test check fast format lint types imports bench system-packages clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# torch comes first and exactly pinned: a looser request pulls several gigabytes of GPU packages.
$(RUN_STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Whalefall needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing (the first time takes a few minutes)"
	@$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(STAMP): $(RUN_STAMP)
	@echo "installing the test tools"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(STAMP) ## make the environment with everything development needs

# LangChain and LiteLLM pin an older OpenAI SDK than the one the tests use, so they live apart.
$(CLIENTS_STAMP): constraints-clients.txt
	@echo "installing the other clients (LangChain, LiteLLM) into $(CLIENTS)"
	@test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/pip install --quiet --disable-pip-version-check --requirement constraints-clients.txt
	@touch $@

clients: $(CLIENTS_STAMP) ## make the environment of the other clients' tests

run: $(RUN_STAMP) ## serve the platform on http://127.0.0.1:8000
	@$(BIN)/whalefall serve

test: $(STAMP) $(CLIENTS_STAMP) system-packages ## run everything CI runs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -n 2 --dist loadfile

check: $(STAMP) lint types imports fast ## lint, types, import contracts, fast tests (minutes on two cores)

fast:
	@$(BIN)/pytest -n 2 --dist loadfile -m 'not slow and not gpu'

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types:
	@$(BIN)/mypy

imports:
	@$(BIN)/lint-imports

format: $(STAMP) ## rewrite the sources in the house format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP) ## list the benchmarks; each is run by itself
	@$(BIN)/python -m bench

# PostgreSQL is used by the tests where it is present; as root on Debian it is installed.
system-packages:
	@sh tests/support/system_packages.sh

clean: ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
