# Everything a person runs here. `make demo` and `make test` set up all they need by themselves.
.PHONY: demo test test-all lint bench bench-peers docs web system clean
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8 := 1
# Compiled modules are kept, whatever the surroundings say: tests start hundreds of processes, and each would compile anew.
export PYTHONDONTWRITEBYTECODE :=

.venv/base: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[serve,train,plots,hf,constraints]'
	@touch $@

.venv/dev: .venv/base
	$(BIN)/pip install --quiet --editable '.[serve,train,plots,hf,constraints,vision,gguf,postgres,energy,dev]'
	@touch $@

demo: .venv/base ## install, then the main job on real text with the embedded model
	$(BIN)/sibao demo

test: .venv/dev system ## the test suite, without the slow tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test-all: .venv/dev system ## every test
	$(BIN)/pytest

lint: .venv/dev ## style, types, floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev ## the project's own figures
	$(BIN)/python bench/run.py

bench-peers: .venv/dev ## Sibao's engine beside other projects, each installed once under build/peers
	PYTHON=$(PYTHON) sh scripts/peers.sh
	$(BIN)/python bench/engine.py

docs: .venv/dev ## rewrite the generated documents
	$(BIN)/python -m sibao.cli.reference docs
	$(BIN)/python -m sibao.cli._recipe_docs docs

web: ## the web page's bundle (needs Node); it is committed, so that serving needs none
	cd web && npm ci --no-audit --no-fund && npm run build

system: ## Debian packages that some tests need (root only)
	sh scripts/system.sh

clean:
	rm -rf .venv build dist web/node_modules
