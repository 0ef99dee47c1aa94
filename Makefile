# What a developer and CI run. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Stamps: an installation is repeated when what it depends on has changed.
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev
# LiteLLM has an environment of its own: plh needs none of the packages that it brings.
COMPAT_VENV := .venv-compat
COMPAT := $(COMPAT_VENV)/.installed
# So have the peers that plh is measured against.
BENCH := $(VENV)/.installed-bench
PEERS_VENV := .venv-peers
PEERS := $(PEERS_VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install bytecode demo test soak check format pages pictures bench bench-parts bench-growth compat browser vendor clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target what; do \
		printf '%-16s %s\n' "$$target" "$$what"; done

install: bytecode ## install plh into .venv

demo: bytecode ## send the samples to a local stand-in for PostHog and show what arrived
	@sh scripts/demo.sh $(BIN)

bytecode: $(RUNTIME) # or where PYTHONDONTWRITEBYTECODE is set, as in containers, every start compiles the package anew
	@$(BIN)/python -m compileall -q posthog_llm_cli

test: $(DEV) bytecode browser ## run the tests
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist worksteal # or each of the four prepares every test anew: 16 s

browser: ## find or install a Chromium, in which the tests try the page of a preview
	@sh scripts/browser.sh

vendor: ## take another release of the page's plotting library into the package (CHART=version)
	@sh scripts/vendor.sh $(CHART)

soak: $(DEV) bytecode ## a long storm of faults and kills, then 100 seeds of the state machine (SEED=, SEEDS=, CALLS=)
	$(BIN)/python -m tests.faults.soak

check: $(DEV) ## formatter, linter, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV) ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

pages: $(DEV) ## write the man page, the help, the tables of completion and of codes from the program
	$(BIN)/python -m scripts.pages

pictures: $(DEV) ## draw the README's pictures of the terminal and of the page from the program itself
	$(BIN)/python -m scripts.pictures
	$(BIN)/python -m scripts.page_pictures

bench: $(BENCH) bytecode $(PEERS) ## measure plh and its peers (QUICK=1 for two minutes, ARGS='--only …'; benchmarks/README.md)
	$(BIN)/python -m benchmarks.run $(if $(QUICK),--quick) $(ARGS)

bench-parts: $(BENCH) bytecode ## time the parts of the pipe, each alone (ARGS='-k framing')
	$(BIN)/python -m benchmarks.parts $(ARGS)

bench-growth: $(BENCH) bytecode ## how time and memory grow with calls, processes, event sizes and the ledger (ARGS='--only ledger')
	$(BIN)/python -m benchmarks.growth $(ARGS)

compat: bytecode $(COMPAT) ## compare plh with LiteLLM's own PostHog logger (docs/compatibility.md)
	$(BIN)/python -m compat $(COMPAT_VENV)/bin/python

clean: ## remove the installation and all caches
	rm -rf $(VENV) $(COMPAT_VENV) $(PEERS_VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: expected Python 3.11 or newer and found $$($(PYTHON) --version 2>&1)" >&2; \
		echo "hint: name another one, for example: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "error: $(PYTHON) -m venv failed" >&2; \
		echo "hint: on Debian and Ubuntu, install the package python3-venv" >&2; exit 2; }
	@echo "installing plh into $(VENV) …"
	@$(PIP) install -e .
	@touch $@

$(DEV): pyproject.toml $(RUNTIME)
	@echo "installing the tools for development into $(VENV) …"
	@$(PIP) install -e '.[dev]'
	@touch $@

$(COMPAT): compat/requirements.txt
	@echo "installing LiteLLM into $(COMPAT_VENV) …"
	@rm -rf $(COMPAT_VENV)
	@$(PYTHON) -m venv $(COMPAT_VENV)
	@$(COMPAT_VENV)/bin/python -m pip --quiet --disable-pip-version-check install --no-compile -r compat/requirements.txt
	@touch $@

$(BENCH): pyproject.toml $(RUNTIME)
	@echo "installing what the benchmarks need into $(VENV) …"
	@$(PIP) install -e '.[bench]'
	@touch $@

$(PEERS): benchmarks/peers/requirements.txt
	@echo "installing posthog and LiteLLM into $(PEERS_VENV) …"
	@rm -rf $(PEERS_VENV)
	@$(PYTHON) -m venv $(PEERS_VENV)
	@if $(PEERS_VENV)/bin/python -m pip --quiet --disable-pip-version-check install -r benchmarks/peers/requirements.txt; \
		then touch $@; else rm -rf $(PEERS_VENV); echo "warning: they could not be installed and are left out" >&2; fi
