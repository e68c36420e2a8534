# make demo                          the whole loop on built-in videos, in minutes
# make demo VIDEOS=folder            ... on yours: files, folders, lists, URLs, YouTube ids
# make demo VIDEOS=folder PAIRS=dir PROFILE=small
# make test                          every test
# make lint, make check, make ui, make repro, make setup, make clean
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# The build of torch; a GPU user names another, such as TORCH="torch==2.13.0 --index-url <the CUDA wheels of pytorch.org>".
TORCH ?= $(shell grep '^torch==' requirements.lock)
BIN := .venv/bin
GIM := $(BIN)/gim
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST_ARGS ?= -n 2 -q

.PHONY: demo test lint ui repro setup check clean

# VIDEOS and PAIRS reach the shell as variables and never as text of a command. Each is one source where something of
# that name exists, blanks and all; else a list separated by blanks. The report is written even where a unit failed.
export VIDEOS PAIRS PROFILE
demo: setup
	@set -f; \
	if test -e "$$VIDEOS"; then set -- "--videos=$$VIDEOS"; \
	else for source in $$VIDEOS; do set -- "$$@" "--videos=$$source"; done; fi; \
	if test -e "$$PAIRS"; then set -- "$$@" "--pairs=$$PAIRS"; \
	else for source in $$PAIRS; do set -- "$$@" "--pairs=$$source"; done; fi; \
	if test -n "$$PROFILE"; then set -- "$$@" "--profile=$$PROFILE"; fi; \
	test $$# -eq 0 || $(GIM) use "$$@"
	@$(GIM) run --all; made=$$?; $(GIM) report && exit $$made

test: setup
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

ui: setup
	@$(GIM) ui mlflow & pid=$$!; trap "kill $$pid" EXIT INT TERM; $(GIM) ui dagster

repro: setup
	@$(BIN)/dvc repro

# One check per promise that needs the set-up but is not a test: the registry, the lock and the definitions agree.
# A fresh clone has made nothing: dvc stops at the first input folder that is missing, so it gets empty ones and plans
# every stage. That proves that dvc can walk the graph; with a dvc.lock it also tells what the code is ahead of.
check: setup
	@$(GIM) dvc render --check
	@for stage in $$($(BIN)/dvc stage list --name-only); do mkdir -p "data/$$stage"; done
	@$(BIN)/dvc repro --dry --allow-missing --quiet || { \
		echo "dvc cannot plan the loop -> 'gim dvc render'; if dvc.lock is damaged, '$(GIM) run --all' and '$(GIM) dvc commit'"; exit 1; }
	@$(BIN)/dagster definitions validate -m orchestration.definitions

setup: .venv/.ready .venv-dvc/.ready

.venv/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 found -> install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up .venv with $(PYTHON) (once, some minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@grep -v '^torch==' requirements.lock > .venv/pinned.txt
	@$(PIP) --constraint .venv/pinned.txt $(TORCH)
	@$(PIP) --no-deps -r .venv/pinned.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# DVC has an environment of its own: it pins an antlr runtime with which Dagster cannot parse selections.
.venv-dvc/.ready: requirements-dvc.lock | .venv/.ready
	@echo "setting up .venv-dvc (once)"
	@test -x .venv-dvc/bin/python || $(PYTHON) -m venv .venv-dvc
	@.venv-dvc/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dvc.lock
	@printf '%s\n' '#!/bin/sh' '# DVC from its own environment; its stages find gim here, beside this file.' \
		'here=$$(cd "$$(dirname "$$0")" && pwd)' 'PATH="$$here:$$PATH" exec "$$here/../../.venv-dvc/bin/dvc" "$$@"' > $(BIN)/dvc
	@chmod +x $(BIN)/dvc
	@touch $@

clean:
	rm -rf data report .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
