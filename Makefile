# Everything from a fresh machine with nothing but make and Python 3.11 or newer. `make` alone lists what there is.

VENV := .venv
IN_VENV := $(VENV)/bin
# the first interpreter that is new enough; bootstrap.py says so if none is
PYTHON := $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$candidate" && break; done)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench faults mutate clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target what; do \
		printf '%-14s %s\n' "$$target" "$$what"; done

setup: ## make the environment and fetch the embedded servers; quick once done
	@if [ -z "$(PYTHON)" ]; then \
		echo "beaas needs Python 3.11 or newer, and neither python3 nor python3.11 to python3.14 is one: install it and run make again." >&2; \
		exit 2; fi
	@"$(PYTHON)" tools/bootstrap.py $(VENV)

demo: setup ## bill a real year of flights through the whole pipeline
	@$(IN_VENV)/python -m examples.flights $(ARGS)

test: setup ## run all tests against real Kafka, PostgreSQL and registry (ARGS="-k name")
	@$(IN_VENV)/pytest -q $(ARGS)

check: setup ## format, lint, types, architecture, generated code
	@$(IN_VENV)/ruff format --check .
	@$(IN_VENV)/ruff check .
	@$(IN_VENV)/mypy
	@$(IN_VENV)/lint-imports
	@$(IN_VENV)/python -m tools.check_generated

bench: setup ## the performance table, peers and raw limits in the same run (ARGS="--only rating,relay --runs 3 --write")
	@$(IN_VENV)/python -m benchmarks $(ARGS)

faults: setup ## strike every part while it bills, and have an auditor judge (ARGS="--list", "--seed 7 --faults F01,F09", "--minutes 20 --swarm")
	@$(IN_VENV)/python -m tests.faults $(ARGS)

mutate: setup ## mutation tests of billing/ (ARGS="billing/money.py"); what survives has to be argued for
	@nice -n 19 $(IN_VENV)/python -m tools.mutate $(ARGS)

clean: ## delete the environment and the tools' caches; what `beaas up` keeps and the fetched servers stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
