# Two verbs do everything on a machine with git, make, gcc and Python >= 3.11: `make demo` and `make test`.
# Another Python: make PYTHON=python3.12 test

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
WHEEL  := build/wheel
OUT    ?= demo
JOBS   ?= 2

# One thread a process: two oversubscribed cores are 3 to 40 times slower than two busy ones.
export OMP_NUM_THREADS ?= 1
export GOMP_SPINCOUNT  ?= 0
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint types unit slow bench bench-gpu wheel wheel-test clean
.DELETE_ON_ERROR:

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

venv: $(STAMP) ## make .venv and install geoad with the tested versions

$(STAMP): pyproject.toml constraints.txt setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "geoad needs Python >= 3.11, and $(PYTHON) is $$($(PYTHON) --version 2>&1): make PYTHON=python3.11 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment (Debian, Ubuntu: install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/geoad info # runs every kernel once, which compiles it
	@touch $@

demo: $(STAMP) ## simulate scans, train, score and evaluate: a table, and where the pictures are
	$(BIN)/geoad demo --out $(OUT) --jobs $(JOBS)

test: lint types unit wheel-test ## everything that must hold: lint, types, tests, doctests, the built wheel

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy --strict on geoad/
	$(BIN)/mypy

unit: $(STAMP) ## the tests and the examples of every docstring
	$(BIN)/python -m pytest -q

slow: $(STAMP) ## the tests that take minutes
	$(BIN)/python -m pytest -q -m slow

bench: $(STAMP) ## run the benchmarks that need no scans; results go to benchmarks/results
	@set -e; for name in 3dst kernels metrics voxels; do echo "== $$name"; $(BIN)/python benchmarks/bench_$$name.py; done

bench-gpu: $(STAMP) ## on a machine with a GPU: build, test, sanitize and measure the CUDA kernels
	$(BIN)/python benchmarks/gpu.py --out gpu-results

wheel: $(STAMP) ## build dist/geoad-*.whl
	rm -rf build/lib build/bdist.* dist/*.whl
	$(BIN)/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	@ls dist/*.whl

# The wheel alone in an environment that sees the installed libraries, far from the source tree.
wheel-test: wheel ## install the wheel beside the source tree and use it
	rm -rf $(WHEEL) && $(BIN)/python -m venv --without-pip $(WHEEL)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > $$($(WHEEL)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/libraries.pth
	$(BIN)/python -m pip --python $(WHEEL)/bin/python install --quiet --no-deps --no-index --force-reinstall dist/*.whl
	cp tests/smoke_wheel.py $(WHEEL) && cd $(WHEEL) && bin/python -I smoke_wheel.py

clean: ## remove what was built, not .venv and not results
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find geoad tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
