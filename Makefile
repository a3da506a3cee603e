# `make` lists the targets. Each sets .venv up first; that takes minutes once and a moment afterwards.
#   PYTHON=python3.12       interpreter for .venv (default: the first that fits)
#   PYTEST_ARGS="-k adam"   what pytest is called with
#   UPGRADE=1               with `make constraints`: newest versions, not just what is missing

BIN := .venv/bin
PYTEST_ARGS ?= -q -n auto --maxprocesses=8 --dist worksteal
SOURCES := $(wildcard ferbench plugins benchmarks tests docs)

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick coverage docs lint types format constraints package clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

setup:  ## create .venv and install ferbench in it, editable
	@PYTHON='$(PYTHON)' ./setup.sh

demo: setup  ## train and evaluate a small model on rendered faces; results go to ./results
	$(BIN)/ferbench run benchmarks/recipes/demo.toml

test: lint types  ## lint, types and all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

quick: setup  ## the tests of what changed and of its neighbours, for a minute at most
	@$(BIN)/python tests/quick.py

coverage: setup  ## all tests, and which lines they run
	$(BIN)/python -m pytest $(PYTEST_ARGS) --cov --cov-report=term:skip-covered

docs: setup  ## write the pages made from the code, and build the site in build/docs
	$(BIN)/python docs/pages.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

lint: setup  ## ruff: rules and format; import-linter: the floors
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports --no-logo --no-cache

types: setup  ## mypy
	$(BIN)/mypy

format: setup  ## let ruff format the code and mend what it can
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# What the distributions in plugins/ depend on besides ferbench and its dependencies.
PLUGINS_NEED := 'alembic>=1.13' 'datasets>=4.0' 'mlflow-skinny>=3.0' 'sqlalchemy>=2.0' 'submitit>=1.5' 'tensorboard>=2.16' 'transformers>=4.56'

# Resolved for the oldest Python that ferbench supports, so that each pin is there for the newer ones too.
constraints: setup  ## write constraints.txt anew; UPGRADE=1 takes the newest versions
	printf '%s\n' $(PLUGINS_NEED) hatchling uv | $(BIN)/uv pip compile --quiet pyproject.toml - --extra dev \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 $(if $(UPGRADE),--upgrade) \
		--no-annotate --no-header --output-file constraints.txt
	printf '%s\n' '# Every package that `make setup` installs, and its version. Written by `make constraints`.' \
		| cat - constraints.txt >constraints.new
	mv constraints.new constraints.txt

package: setup  ## build the wheel and try it in an empty environment, with a plugin beside it
	.ci/package

clean:  ## remove .venv and what tools left; results/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find ferbench plugins benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
