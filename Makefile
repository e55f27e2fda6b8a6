# What a developer runs. `scripts/test` installs all that it takes, then runs `make check`.

BIN := .venv/bin
SCRIPTS := quickstart scripts/build-image scripts/start-podman scripts/test scripts/*.sh .ci/run \
           containerfiles/build-llama-server

.PHONY: help check format lint types contracts test test-unit bench

help:  ## Print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

check: lint types contracts test  ## All that must be green before a commit; the tests come last

format:  ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lint:
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	shellcheck --external-sources $(SCRIPTS)
	$(BIN)/hadolint --config containerfiles/hadolint.yaml containerfiles/*/Containerfile

types:
	$(BIN)/mypy
	$(BIN)/mypy scripts/*.py
	$(BIN)/pyright

contracts:
	$(BIN)/lint-imports

test:  ## Every test; starts real engines and registries, which takes root
	$(BIN)/pytest

test-unit:  ## The tests that need no engine and no root
	$(BIN)/pytest tests/unit

bench:  ## Measure, each figure against its floor
	$(BIN)/python -m benchmarks
