# PostPilot. `make help` lists what there is.
PYTHON ?= python3
PY := .venv/bin/python
export PYTHONPATH := backend:.

.DEFAULT_GOAL := help
.PHONY: help install install-dev migrate start backend stop status doctor demo test test-backend check lint types imports licenses api-document openapi platforms platforms-document contract fuzz bench chaos lock clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: ## Make the environment and the secrets
	@$(PYTHON) deploy/bootstrap.py run
	@$(PY) -m deploy.install

install-dev: ## Install what tests and checks need as well
	@$(PYTHON) deploy/bootstrap.py dev
	@$(PY) -m deploy.install

migrate: install ## Bring the database to the newest revision
	@$(PY) -m deploy.stack migrate

start: install ## Start everything and print the addresses
	@$(PY) -m deploy.stack start

backend: start ## Start everything but web pages

stop: ## Stop everything; data stays
	@test ! -x $(PY) || $(PY) -m deploy.stack stop

status: ## Show every process
	@$(PY) -m deploy.stack status

doctor: ## Say what is wrong with the setup, in plain words
	@if [ -x $(PY) ]; then $(PY) -m deploy.doctor; else echo "  Nothing is installed yet. Run: make start"; exit 1; fi

demo: start ## Publish three posts to the three platforms of the sandbox
	@./postpilot demo

PYTEST := $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

test: install-dev check ## Run every check and every test
	@$(PYTEST)

test-backend: install-dev ## Run the tests of the back end and the sandbox
	@$(PYTEST) backend/tests/stack backend/tests sandbox/tests

check: install-dev lint types imports licenses api-document platforms-document ## Lint, types, import contracts, licences, generated documents

lint:
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@$(PY) -m deploy.house_rules

types:
	@.venv/bin/mypy

imports:
	@out=$$(.venv/bin/lint-imports 2>&1) || { echo "$$out"; exit 1; }; echo "$$out" | tail -1

licenses:
	@$(PY) -m deploy.licenses

api-document:
	@$(PY) -m deploy.openapi --check

openapi: install-dev ## Write docs/api/openapi.json
	@$(PY) -m deploy.openapi

platforms: install-dev ## Write docs/platforms.md
	@$(PY) -m deploy.platforms

platforms-document:
	@$(PY) -m deploy.platforms --check

fuzz: install-dev ## Send the API some ten thousand requests made from its own description
	@FUZZ_EXAMPLES=40 $(PY) -m pytest -q backend/tests/stack/test_fuzz.py

contract: install-dev ## Run all adapters over HTTP against the sandbox
	@$(PY) -m pytest -n 2 --dist loadfile -q backend/tests/contract

bench: install-dev ## Measure; prints a table and writes .bench/results.json
	@$(PY) -m benchmarks $(BENCH)

chaos: install-dev ## Kill, flush and restart everything while posts go out, and count
	@$(PY) -m benchmarks.chaos

lock: install-dev ## Renew the lock files
	@for name in dev run; do .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  $$([ $$name = run ] && echo "-c requirements/dev.txt") requirements/$$name.in -o requirements/$$name.txt; done

clean: stop ## Remove the environment and all data
	@rm -rf .venv .data .bench
