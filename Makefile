# Two commands: `make study` and `make test`. Both set up .venv from the pinned versions first.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: study test lint bench clean

study: $(READY)
	$(BIN)/algoscope study brackets

# Workers beyond the number of cores gain nothing: each test uses one thread.
test: lint
	$(BIN)/pytest --numprocesses 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Peers live in environments of their own. About 6 GB and 15 minutes the first time.
bench: $(READY) .venv-bench-tl2/.ready .venv-bench-tl4/.ready .venv-bench-ac/.ready
	$(BIN)/python benchmarks/forward.py
	$(BIN)/python benchmarks/sweep.py
	$(BIN)/python benchmarks/neurons_memory.py
	$(BIN)/python benchmarks/study.py
	$(BIN)/python benchmarks/circuits.py
	$(BIN)/python benchmarks/explain_known.py
	PYTHONPATH=src .venv-bench-tl2/bin/python benchmarks/files_tl2.py
	PYTHONPATH=src .venv-bench-tl4/bin/python benchmarks/files_tl4.py
	$(BIN)/python benchmarks/same_cells.py

clean:
	rm -rf .venv .venv-bench-tl2 .venv-bench-tl4 .venv-bench-ac algoscope-out

$(READY): pyproject.toml constraints.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable . --requirement requirements-dev.txt
	touch $@

.venv-bench-ac/.ready: benchmarks/requirements-ac.txt benchmarks/requirements-ac-alone.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --requirement benchmarks/requirements-ac.txt
	$(@D)/bin/pip install --quiet --no-deps --requirement benchmarks/requirements-ac-alone.txt
	touch $@

.venv-bench-%/.ready: benchmarks/requirements-%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	touch $@
