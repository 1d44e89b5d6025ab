# Two commands matter: `make demo` runs the main job, `make test` passes the tests. Each sets up all it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := levelhead-runs/demo

# Real data sets lie beside a developer's checkout; everywhere else the variable is the user's to set.
ifneq ($(wildcard ../shared/data),)
export LEVELHEAD_DATA ?= $(abspath ../shared/data)
endif

.PHONY: setup demo check test bench claims docs clean

setup: $(READY)
	@$(BIN)/python -c "import torchvision; print('torchvision', torchvision.__version__, 'is ready')"

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

demo: setup
	$(BIN)/levelhead compare --out $(DEMO)

check: setup
	$(BIN)/ruff format --check src tests bench examples docs
	$(BIN)/ruff check src tests bench examples docs
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# one thread a process: two processes on two cores are faster than two threads, and numbers repeat
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

bench: setup
	$(BIN)/python bench/step_cost.py
	$(BIN)/python bench/puzzle_cost.py
	$(BIN)/python bench/metrics.py
	$(BIN)/python bench/throughput.py
	$(BIN)/python bench/loading.py
	$(BIN)/python bench/import_time.py

# hours: says beforehand how many; goes on where it was stopped, adds to what is committed. JOBS processes at most
claims: setup
	$(BIN)/python bench/claims.py run --jobs $(or $(JOBS),2)
	$(BIN)/python docs/generate.py

docs: setup
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict --quiet
	@echo "The documentation: site/index.html"

clean:
	rm -rf $(VENV) build dist site levelhead-runs .pytest_cache .ruff_cache .mypy_cache .hypothesis
