# Everything a person or CI does here, as one list of verbs. Needs Python 3.11+ and make; each verb brings what it needs.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
export UV_PYTHON_DOWNLOADS := never

ARGS ?=
ONLY ?=
WORKERS ?= 3
ALL ?=
UPGRADE ?=
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

TOOLS := .local/tools
UV := $(TOOLS)/bin/uv
RUN := .venv/bin/python
MEMBERS := $(patsubst %/pyproject.toml,%,$(wildcard $(addsuffix /pyproject.toml,contracts libs/* services/* deploy/*)))
SOURCES := $(addsuffix /src,$(MEMBERS))
HAVE_UV := $(TOOLS)/.ready
HAVE_ENVIRONMENT := .venv/.ready

.PHONY: help setup run smoke test test-unit test-integration chaos bench lint types format schemas lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(HAVE_ENVIRONMENT) ## install and download everything that the other verbs need
	@$(RUN) -m candlewick_local parts

run: $(HAVE_ENVIRONMENT) ## the whole system until Ctrl-C; ARGS="--free-ports", TRADINGVIEW_URL=… for a real feed
	@$(RUN) -m candlewick_local run $(ARGS)

smoke: $(HAVE_ENVIRONMENT) ## the whole system once: live tick to answered bar, one line of verdict
	@$(RUN) -m candlewick_local smoke

test: $(HAVE_ENVIRONMENT) ## unit, contract, integration and e2e, in WORKERS processes; ARGS="-k name"
	@$(RUN) -m pytest -n $(WORKERS) --dist loadfile -m "unit or contract or integration or e2e" $(ARGS)

test-unit: $(HAVE_ENVIRONMENT) ## unit and contract, with nothing running
	@$(RUN) -m pytest -m "unit or contract" $(ARGS)

test-integration: $(HAVE_ENVIRONMENT) ## each part against real Kafka, MongoDB and Redis
	@$(RUN) -m pytest -m integration $(ARGS)

chaos: $(HAVE_ENVIRONMENT) ## faults while data flows, in full; ONLY=ingest for those of one part
	@$(RUN) -m pytest -m chaos $(wildcard tests/chaos/test_$(ONLY)*.py) $(ARGS)

bench: $(HAVE_ENVIRONMENT) ## measure, to .local/bench.jsonl; ONLY=core for the figures whose names begin so
	@$(RUN) -m tests.bench --only "$(ONLY)"

lint: $(HAVE_ENVIRONMENT) ## style, format and the walls between the packages
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports

types: $(HAVE_ENVIRONMENT) ## mypy, strictly, over sources and tests
	@.venv/bin/mypy $(SOURCES) tests

format: $(HAVE_ENVIRONMENT) ## put the code into its format
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format .

schemas: $(HAVE_ENVIRONMENT) ## write the JSON Schemas of the contracts and the OpenAPI document of the API
	@$(RUN) -m contracts
	@$(RUN) -m query_api.openapi tests/contract/snapshots/openapi.json

lock: $(HAVE_ENVIRONMENT) ## make requirements.lock and deploy/local/kafka.lock anew; UPGRADE=1: with the newest versions
	@$(UV) lock $(if $(UPGRADE),--upgrade)
	@$(UV) export --quiet --frozen --no-emit-workspace --no-header --no-annotate --format requirements.txt --output-file requirements.lock
	@$(RUN) -m candlewick_local.pins > .local/kafka.lock && mv .local/kafka.lock deploy/local/kafka.lock

clean: ## delete data and logs; ALL=1: downloaded parts, tools and .venv too
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is not on PATH"; exit 1; }
	@PYTHONPATH=deploy/local/src $(PYTHON) -B -m candlewick_local clean $(if $(ALL),--all)

$(HAVE_UV): deploy/local/uv-tool.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is not on PATH: install it, or say where it is with PYTHON=…"; exit 1; }
	@test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement $<
	@touch $@

$(HAVE_ENVIRONMENT): requirements.lock $(addsuffix /pyproject.toml,$(MEMBERS)) $(HAVE_UV)
	@test -x $(RUN) || $(UV) venv --quiet --python $(TOOLS)/bin/python .venv
	@$(UV) pip sync --python $(RUN) --require-hashes --compile-bytecode requirements.lock
	@$(UV) pip install --quiet --python $(RUN) --no-deps --no-build-isolation $(addprefix --editable ,$(MEMBERS))
	@touch $@
