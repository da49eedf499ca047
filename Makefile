# Everything a person or CI does here. `make` alone lists it. Needs Python 3.11 or newer, nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first interpreter that is new enough; `make PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
STATE := $(or $(STREAMS_STATE_DIR),.streams)
ARGS ?=
# Tests wait for Kafka now and then: files of tests run in one process more than there are cores, each with a Kafka of its own.
TEST_PROCESSES := $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores + 1 : 4)))
SIDE_BY_SIDE ?= -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | while IFS=$$'\t' read -r name text; \
	do printf '  make %-10s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: $(READY) ## Create .venv from the hashed requirements (the other targets do it by themselves)

$(READY): requirements/dev.txt pyproject.toml $(wildcard setup.py) $(wildcard streams/*/*.pyx streams/*/*/*.pyx streams/*/*/*.px[id])
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or use make PYTHON=/path/to/python"; exit 78; }
	@echo "Setting up $(VENV) (once, about a minute)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/dev.txt
	@PYTHONWARNINGS=ignore $(PY) -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: run
run: $(READY) ## Start everything, replay interactions, show what comes out; ARGS="--help" for more
	@$(PY) -m streams run $(ARGS)

.PHONY: test
test: $(READY) ## Run the tests, a real Kafka among them; ARGS="tests/core -k decay" for some
	@$(PY) -m pytest $(SIDE_BY_SIDE) $(ARGS)

.PHONY: lint
lint: $(READY) ## Check style and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

.PHONY: fmt
fmt: $(READY) ## Mend style and format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

.PHONY: types
types: $(READY) ## Check the types, strictly
	@$(PY) -m mypy

.PHONY: arch
arch: $(READY) ## Check who imports whom
	@$(VENV)/bin/lint-imports --no-logo

.PHONY: bench
bench: $(READY) ## Measure; the last line is JSON
	@$(PY) -m bench $(ARGS)

.PHONY: chaos
chaos: $(READY) ## Kill, freeze and damage everything under load, then audit
	@$(PY) -m streams.testing.chaos $(ARGS)

.PHONY: rehearsal
rehearsal: $(READY) ## The production topology on this machine, restarted process by process under load
	@$(PY) -m streams.testing.rehearsal $(ARGS)

.PHONY: audit
audit: $(READY) ## Recount everything from the topics of a running cluster (STREAMS_BROKER_URL)
	@$(PY) -m streams audit $(ARGS)

.PHONY: docs
docs: $(READY) ## Write all that is generated anew: schemas, OpenAPI, AsyncAPI, manifests, file map
	@$(PY) -m streams schemas write
	@$(PY) -m streams.serving.openapi > schemas/openapi.json
	@$(PY) -m streams.tools.asyncapi > schemas/asyncapi.json
	@$(PY) -m deploy.generate
	@$(PY) -m streams.tools.filemap
	@$(PY) -m streams.tools.metrics_page

.PHONY: lock
lock: $(READY) ## Choose new versions: requirements/*.txt from pyproject.toml
	@compile="$(VENV)/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-header \
		--no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options"; \
	$$compile -o requirements/runtime.txt pyproject.toml; \
	$$compile --extra dev -c requirements/runtime.txt -o requirements/dev.txt pyproject.toml

.PHONY: clean
clean: ## Forget all state (topics, local copies, logs); the next run starts from nothing
	@rm -rf -- "$(STATE)"

.PHONY: ci
ci: lint types arch test ## What CI runs
