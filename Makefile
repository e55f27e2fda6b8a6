# What a developer runs. `scripts/test` installs all that it takes, then runs `make check`.

BIN := .venv/bin
SCRIPTS := quickstart scripts/build-image scripts/start-podman scripts/test scripts/*.sh .ci/run \
           containerfiles/build-llama-server

.PHONY: help check format lint types contracts test test-unit docs site bench

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

test-unit:  ## The tests that need no engine and no root, in a random order
	$(BIN)/pytest -p randomly tests/unit

docs:  ## Build the manual pages and the library's reference into build/
	$(BIN)/python scripts/man_pages.py
	mkdir -p build/man
	for page in docs/*.md; do \
	  go-md2man -in "$$page" -out "build/man/$$(basename "$$page" .md)" || exit; \
	done
	$(BIN)/python scripts/reference.py build/reference

site: docs  ## Build pages for a browser into build/site; takes: pip install --group site
	rm -rf build/pages
	mkdir -p build/pages/docs
	cp README.md build/pages/index.md
	cp ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md SECURITY.md build/pages/
	cp -R docs/*.md docs/guide docs/images build/pages/docs/
	cp -R build/reference examples build/pages/
	for page in */README.md ramalama/*/README.md ramalama/*/*/README.md; do \
	  mkdir -p "build/pages/$$(dirname "$$page")" && cp "$$page" "build/pages/$$page" || exit; \
	done
	$(BIN)/zensical build --strict

bench:  ## Measure, each figure against its floor; starts real engines, which takes root
	$(BIN)/python -m benchmarks
