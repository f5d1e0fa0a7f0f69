# Every target makes the virtual environment it needs first; nothing else has to be installed but Python 3.11.
#
#   make compare TORCH_INDEX=https://download.pytorch.org/whl/cpu     PyTorch without the CUDA packages

PYTHON        ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV          ?= .venv
TORCH_INDEX   ?=
CONFIG        ?=
OUT           ?= runs/compare
PYTEST_ARGS   ?=
FUZZ_EXAMPLES ?=

BIN     := $(VENV)/bin
INSTALL  = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
           $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PINS    := pyproject.toml constraints.txt

# Tests and documentation start hundreds of processes: none of them compiles again what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help compare test lint bench check mutations validate fuzz docs release

help: ## Explain the targets
	@echo "make TARGET [PYTHON=python3.12] [VENV=.venv] [TORCH_INDEX=URL]"
	@echo
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 12 | sed 's/^/  /'
	@echo
	@echo "TORCH_INDEX=https://download.pytorch.org/whl/cpu installs PyTorch without its CUDA packages."

compare: $(VENV)/.stamp-run ## Predict the limit, simulate the recursion, compare (CONFIG=my.toml OUT=folder)
	$(BIN)/hermite-collapse compare $(CONFIG) --out $(OUT)

test: $(VENV)/.stamp-all ## Run the tests on all cores (PYTEST_ARGS="-m slow": the long ones, "-n 0": one process)
	$(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/.stamp-all ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

check: $(VENV)/.stamp-all ## Check the statements of the two papers, one file each, and every formula times four constants
	$(BIN)/python -m paper_checks

mutations: $(VENV)/.stamp-all ## Change the package in some hundred places, one at a time, and list which test notices
	$(BIN)/python -m validation.mutations

validate: $(VENV)/.stamp-all ## Hold theory against simulation on every preset; uses a CUDA device if there is one
	$(BIN)/python -m validation

bench: $(VENV)/.stamp-all ## Time and size of the main computations
	$(BIN)/python -m validation --only benchmarks

fuzz: $(VENV)/.stamp-all ## Random inputs to configuration and file readers (FUZZ_EXAMPLES=10000 for each test)
	HYPOTHESIS_PROFILE=fuzz FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest tests/fuzz --timeout=3600 $(PYTEST_ARGS)

docs: $(VENV)/.stamp-docs ## Build the documentation, every example anew, in docs/_build/html
	rm -rf docs/_build docs/examples docs/api docs/claims docs/benchmarks.md docs/samplers.md docs/records_table.md
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

release: | $(BIN)/python ## Build wheel and source archive, install each in a fresh environment, run the commands there
	$(BIN)/python -m validation.release $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or later is needed; name one with PYTHON=..., received: $(PYTHON)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.stamp-run: $(PINS) | $(BIN)/python
	$(INSTALL) -e '.[torch]'
	@touch $@

$(VENV)/.stamp-all: $(PINS) | $(BIN)/python
	$(INSTALL) -e '.[all,dev]'
	@touch $@ $(VENV)/.stamp-run

$(VENV)/.stamp-docs: $(VENV)/.stamp-all
	$(INSTALL) -e '.[all,dev,docs]'
	@touch $@
