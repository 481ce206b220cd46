# The commands of Postroom's developers and its newcomers. `make` alone lists them.

.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
PYTHONS := python3.13 python3.12 python3.11 python3
# The longest files first, so that none of the processes is left with them in the end.
TEST_FOLDERS := $(wildcard tests/e2e tests/faults tests/contract tests/integration tests/unit)
# More than there are cores: the tests mostly wait for servers. Each process has servers of its own.
TEST_PROCESSES ?= 3
UV ?= $(shell command -v uv)

.PHONY: help run demo test unit lint types asyncapi bench bench-watching containers lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' Makefile

run: .venv/run.stamp ## Run the pipeline (POSTROOM_ACCOUNTS=accounts.yaml for real mailboxes)
	@$(call interruptible,$(BIN)/postroom up)

demo: .venv/run.stamp ## Show one approval's round trip and end; exit code 0 if the decision came
	@$(call interruptible,$(BIN)/postroom demo)

test: lint types ## Run all checks and all tests, on real servers
	$(BIN)/pytest $(TEST_FOLDERS) -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --durations=15

unit: .venv/test.stamp ## Run the tests that need no server
	$(BIN)/pytest tests/unit

lint: .venv/test.stamp ## Check style, format and the rules of who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/test.stamp ## Check the types of source and tests
	$(BIN)/mypy

asyncapi: .venv/run.stamp ## Write the AsyncAPI document and the reference pages from the code
	$(BIN)/python -m postroom.asyncapi docs/reference/asyncapi.json
	$(BIN)/python -m postroom.reference docs/reference

bench: .venv/test.stamp ## Measure the whole way, beside a straightforward pipeline
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.fetching
	$(BIN)/python -m tests.benchmarks.sending

bench-watching: .venv/test.stamp ## Measure what 2,000 watched mailboxes cost, over TLS
	$(BIN)/python -m tests.benchmarks.watching

containers: .venv/test.stamp ## Build the image and play the round trip through the compose file
	$(BIN)/python -m tests.containers

lock: $(if $(UV),,.venv/bin/pip) ## Write the lock files anew from pyproject.toml
	@$(if $(UV),true,$(BIN)/pip install --quiet uv)
	$(call compile,pyproject.toml --extra demo,requirements.lock)
	$(call compile,pyproject.toml --extra demo --group dev,requirements-dev.lock)
	$(call compile,pyproject.toml,requirements-runtime.lock)
	printf 'hatchling\neditables\n' | $(call compile,- -c requirements-dev.lock,requirements-build.lock)

clean: ## Remove the virtual environment and everything that is made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What runs is ended by Ctrl-C itself; make and its shell only wait for that, and do not complain.
define interruptible
trap : INT; $(1); status=$$?; [ $$status -eq 130 ] || exit $$status
endef

define compile
$(or $(UV),$(BIN)/uv) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
  --custom-compile-command 'make lock' $(1) -o $(2)
endef

# Say nothing when it goes well, everything when it does not.
define quietly
log=$$(mktemp); trap 'rm -f "$$log"' EXIT; { $(1); } >"$$log" 2>&1 || { cat "$$log" >&2; exit 1; }
endef

define install
echo 'Installing into .venv ($(strip $(2)))'
$(call quietly,$(BIN)/pip install --disable-pip-version-check --require-hashes $(1) \
  && $(BIN)/pip install --disable-pip-version-check --no-deps --no-build-isolation -e .)
endef

.venv/bin/pip:
	@for python in $(PYTHONS); do \
	  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || continue; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || { lacking=$$python; continue; }; \
	  $(call quietly,"$$python" -m venv --clear .venv); exit; \
	done; \
	if [ -n "$$lacking" ]; then \
	  echo "$$lacking cannot make a virtual environment: install its venv package (Debian: python3-venv)." >&2; \
	else \
	  echo 'Postroom needs Python 3.11, 3.12 or 3.13: none of $(PYTHONS) is one of them.' >&2; \
	fi; exit 1

# The tests' packages are a superset of those that the program needs, at the same versions.
.venv/run.stamp: pyproject.toml requirements.lock requirements-build.lock | .venv/bin/pip
	@$(call install,-r requirements.lock -r requirements-build.lock,to run)
	@touch $@

.venv/test.stamp: pyproject.toml requirements-dev.lock | .venv/bin/pip
	@$(call install,-r requirements-dev.lock,to test)
	@touch $@ .venv/run.stamp
