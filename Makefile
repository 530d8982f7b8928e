# `make demo` and `make test` are all one needs; each sets up .venv as far as it must.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench proof lock clean

# the first Python that is new enough; PYTHON=... picks another
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PHOTOS ?=

help:
	@echo "make demo            teach sample landmarks and name them: opens the way"
	@echo "make demo PHOTOS=dir name the landmarks in your own photos"
	@echo "make test            run all tests"
	@echo "make lint            ruff and mypy --strict"
	@echo "make bench           measure against plain scripts (what needs ../shared is skipped without)"
	@echo "make proof           the long forms: damaged photos and bundles, servers that misbehave, kills"
	@echo "make lock            compile requirements/*.txt anew"
	@echo "make clean           remove .venv and what was built"

demo: .venv/.light
	@$(BIN)/waymark demo $(if $(PHOTOS),"$(PHOTOS:~/%=$(HOME)/%)")

test: .venv/.browser
	@$(BIN)/python -m pytest

lint: .venv/.full
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

bench: .venv/.full
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/predict_speed.py
	$(BIN)/python benchmarks/fast_path.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/teach_provence.py
	$(BIN)/python benchmarks/robustness.py
	$(BIN)/python benchmarks/frontier.py
	$(BIN)/python benchmarks/world.py
	$(BIN)/python benchmarks/exports.py
	$(BIN)/python benchmarks/serve_load.py
	$(BIN)/python benchmarks/check_look.py
	$(BIN)/python benchmarks/check_faults.py --dataset provence
	$(BIN)/python benchmarks/check_faults.py --dataset world-test
	$(BIN)/python benchmarks/check_speed.py
	$(BIN)/python benchmarks/clean_retrain.py
	$(BIN)/python benchmarks/library_speed.py
	$(BIN)/python benchmarks/library_rows.py
	$(BIN)/python benchmarks/library_scroll.py
	$(BIN)/python benchmarks/library_memory.py
	$(BIN)/python benchmarks/library_context.py
	$(BIN)/python benchmarks/scale_ray.py
	$(BIN)/python benchmarks/scale_cost.py
	$(BIN)/python benchmarks/scale_classes.py
	$(BIN)/python benchmarks/memory_augmented.py
	$(BIN)/python benchmarks/seeds.py --budget cpu

proof: .venv/.full
	$(BIN)/python benchmarks/proof_photos.py --photos 10000
	$(BIN)/python benchmarks/proof_bundles.py --bundles 1000
	$(BIN)/python benchmarks/proof_collect.py
	$(BIN)/python benchmarks/proof_serve.py
	$(BIN)/python benchmarks/proof_clean.py
	$(BIN)/python benchmarks/proof_sidecars.py --sidecars 500
	$(BIN)/python benchmarks/proof_library.py --photos 2000 --kills 200
	$(BIN)/python benchmarks/proof_tag.py --photos 2000 --kills 200

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--no-header --upgrade
lock: .venv/.light
	$(COMPILE) requirements/tools.in -o requirements/tools.txt
	$(COMPILE) pyproject.toml requirements/build.in -o requirements/core.txt
	$(COMPILE) pyproject.toml requirements/build.in --extra dev -c requirements/core.txt \
		-o requirements/dev.txt

clean:
	rm -rf .venv build dist demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Everything is installed by hash, then the project itself without its dependencies. uv
# is quicker; where it is not to be had, pip does the same.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
SELF := --no-deps --no-build-isolation --editable .

.venv/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer; try make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "error: Python cannot make .venv; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

.venv/.light: .venv/pyvenv.cfg requirements/tools.txt requirements/core.txt pyproject.toml
	@echo "setting up .venv ..."
	@$(PIP) --require-hashes -r requirements/tools.txt || echo "no uv here: pip takes its place"
	@$(UV) --compile-bytecode --require-hashes -r requirements/core.txt || $(PIP) --require-hashes -r requirements/core.txt
	@$(UV) $(SELF) || $(PIP) $(SELF)
	@touch $@

.venv/.full: .venv/.light requirements/dev.txt
	@echo "setting up .venv for development: torch is a few GB ..."
	@$(UV) --require-hashes -r requirements/dev.txt || $(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

.venv/.browser: .venv/.full
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
		|| command -v google-chrome >/dev/null \
		|| timeout 300 $(BIN)/playwright install chromium >/dev/null 2>&1 \
		|| echo "no Chromium: the browser tests will be skipped (apt install chromium)"
	@touch $@
