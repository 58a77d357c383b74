# Two commands do all the set-up on a fresh machine that has only Python 3.11 or newer:
#   make demo    the whole story in one screen and three pictures
#   make test    everything that a change must pass
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
# One single-threaded process per core is faster than processes that share their threads.
QUIET_THREADS = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 XLA_FLAGS=--xla_cpu_multi_thread_eigen=false

.PHONY: demo test test-all soak lint format bench docs wheel clean

demo: $(VENV)/.installed
	$(BIN)/stackelberg demo

test: $(VENV)/.installed-dev
	$(QUIET_THREADS) $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow and not soak" -q

test-all: $(VENV)/.installed-dev
	$(QUIET_THREADS) $(BIN)/python -m pytest -n auto --dist worksteal -m "not soak" -q

# Long sets, one after the other: sweeps whose workers are killed again and again, and the like.
soak: $(VENV)/.installed-dev
	$(QUIET_THREADS) $(BIN)/python -m pytest -n0 -m soak -q

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev
	$(QUIET_THREADS) $(BIN)/python -m benchmarks

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --strict

wheel: $(VENV)/.installed-dev
	$(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) build dist site demo

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "stackelberg needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --constraint constraints.txt --editable '.[dev,docs]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-dev
