# Two commands: `make study` and `make test`. Both set up .venv from the pinned versions first.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: study test lint bench clean

study: $(READY)
	$(BIN)/algoscope study brackets

test: lint
	$(BIN)/pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/forward.py

clean:
	rm -rf .venv .venv-bench algoscope-out

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable . --requirement requirements-dev.txt
	touch $@
