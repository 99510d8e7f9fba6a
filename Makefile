# `make` alone says what there is. Variables: PYTHON (the interpreter to start from), VENV, EXTRAS, OUT, DEMO_ARGS, TEST_ARGS.
SHELL := /bin/bash
PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || command -v python3)
VENV ?= .venv
EXTRAS ?= video,dev
OUT ?= out
DEMO_ARGS ?=
TEST_ARGS ?=

BIN = $(VENV)/bin
STAMP = $(VENV)/installed
FOLDERS = metasim tasks datasets policies benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types check docs wheel clean distclean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## create .venv with everything needed to develop
	@echo "$(BIN)/metasim"

$(STAMP): pyproject.toml setup.py constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "metasim needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + "; say make PYTHON=...")'
	test -x "$(BIN)/pip" || "$(PYTHON)" -m venv "$(VENV)"
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch "$@"

demo: $(STAMP) ## collect, verify, evaluate and report on ten tasks in two engines, into out/
	"$(BIN)/metasim" demo --out "$(OUT)" $(DEMO_ARGS)

test: $(STAMP) ## run the tests
	"$(BIN)/pytest" -q $(TEST_ARGS)

lint: $(STAMP) ## ruff, format and rules
	"$(BIN)/ruff" format --check .
	"$(BIN)/ruff" check .

types: $(STAMP) ## pyright
	"$(BIN)/pyright" --pythonpath "$(BIN)/python"

check: lint types ## lint and types

docs: $(STAMP) ## write the documentation's site, with the Python reference, into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 "$(BIN)/mkdocs" build --strict --quiet
	@echo "site/index.html (\`$(BIN)/python -m http.server -d site\` serves it, with search)"

wheel: $(STAMP) ## build the wheel, install it in a new environment elsewhere, and use it
	"$(BIN)/python" tests/smoke_wheel.py

clean: ## remove what was built and cached, and out/
	rm -rf build dist site out .ci/tmp *.egg-info .pytest_cache .ruff_cache .hypothesis
	find $(FOLDERS) tests -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## also remove .venv
	rm -rf "$(VENV)"
