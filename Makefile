# `make` prints this help. Every target does the set-up it needs; done once, the set-up is skipped.
#
#   make setup            .venv with the pinned packages and the project (EXTRA=cuda or EXTRA=tpu for accelerators)
#   make sweep            the main job: the sweep experiment=digits_beta; ARGS='...' adds overrides
#   make test             the whole test suite; ARGS='...' goes to pytest
#   make reproduce        NAME=burda_iwae_short: an experiment, its evaluation, and ours beside the published number
#   make bench            the benchmarks: a table of ratios, benchmarks.json in the output folder
#   make lint             ruff and pyright
#   make pins             compile requirements/*.txt anew from pyproject.toml
#
# PYTHON=/path/to/python3.12 chooses the interpreter that .venv is made from (remove .venv to change it).

VENV := .venv
STAMPS := $(VENV)/.stamps
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
UV_VERSION := 0.13.9
ARGS ?=
EXTRA ?=
NAME ?=
PYTHON ?=

ifneq ($(filter-out cuda tpu,$(EXTRA)),)
$(error EXTRA is cuda or tpu, not '$(EXTRA)': make setup EXTRA=cuda)
endif

.PHONY: help setup sweep test reproduce bench lint pins
.DELETE_ON_ERROR:

help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

setup: $(STAMPS)/dev $(if $(EXTRA),$(STAMPS)/$(EXTRA))

sweep: setup
	$(RUN) -m experiments.train experiment=digits_beta $(ARGS)

test: setup
	$(RUN) -m pytest -n 2 $(ARGS)

reproduce: setup
	$(RUN) -m experiments.reproduce "$(NAME)" $(ARGS)

# A rival that cannot be installed is said to be not measured, and the others are.
bench: setup
	@$(MAKE) --silent $(STAMPS)/bench || echo "not measured: keras (the package could not be installed; the reason is above)"
	@$(MAKE) --silent $(STAMPS)/torch || echo "not measured: torch (Python 3.11 or the package is missing; the reason is above)"
	$(RUN) -m experiments.bench $(ARGS)

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pyright

$(STAMPS)/venv:
	@python=$$(sh requirements/find_python.sh 3.12 or-newer "$(PYTHON)") && echo "set-up: $(VENV) from $$python" && "$$python" -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# Build tools first: with them pinned too, nothing is fetched that is not named by its hash.
$(STAMPS)/dev: $(STAMPS)/venv requirements/build.txt requirements/dev.txt pyproject.toml
	@echo "set-up: installing the pinned packages (minutes, once)"
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --require-hashes --no-build-isolation -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/cuda $(STAMPS)/tpu $(STAMPS)/bench: $(STAMPS)/%: $(STAMPS)/dev requirements/%.txt
	@echo "set-up: installing requirements/$*.txt"
	@$(PIP) --require-hashes --no-build-isolation -r requirements/$*.txt
	@touch $@

# torch.txt only constrains: PyTorch's CPU build needs a few of its lines, the CUDA build all of them.
$(STAMPS)/torch: $(STAMPS)/dev requirements/torch.in requirements/torch.txt
	@echo "set-up: .venv-torch"
	@python=$$(sh requirements/find_python.sh 3.11 exactly) && "$$python" -m venv .venv-torch
	@.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/torch.in -c requirements/torch.txt
	@touch $@

# Exact versions and hashes for every platform, no addresses: the user's own pip settings say where packages come from.
COMPILE := $(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.12 --generate-hashes --no-header
pins: $(STAMPS)/venv
	@$(PIP) uv==$(UV_VERSION)
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) --extra dev pyproject.toml -c requirements/build.txt -o requirements/dev.txt
	for extra in cuda tpu bench; do $(COMPILE) --extra dev --extra $$extra pyproject.toml -c requirements/dev.txt -o requirements/$$extra.txt || exit 1; done
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header requirements/torch.in -o requirements/torch.txt
