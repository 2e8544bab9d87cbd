# make setup | demo | test | test-fast | check        (needs Python 3.11 and make; everything else is installed here)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
INSTALLED := $(VENV)/.installed
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1

.PHONY: setup demo test test-fast lint check format
.DEFAULT_GOAL := setup

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@sh .ci/system-libraries
	@"$(PYTHON)" -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "Python 3.11 is needed, this is %s: install it, or make PYTHON=/path/to/python3.11" % sys.version.split()[0])'
	@test -x $(VENV)/bin/python || "$(PYTHON)" -m venv $(VENV) || { echo "cannot make $(VENV): on Debian, apt-get install python3.11-venv" >&2; exit 1; }
	$(VENV)/bin/python -m pip install --constraint constraints.txt --editable '.[dev]'
	@$(VENV)/bin/python -m pipelines.plots_template
	@touch $@

# All of params.yaml, or those that are asked for: make demo REPRESENTATIONS="sdf mesh"
REPRESENTATIONS ?=
demo: export LISTED = import yaml; print(*yaml.safe_load(open("params.yaml"))["representations"])
demo: setup
	dvc repro $(foreach each,$(REPRESENTATIONS),evaluate_tokenizer@$(each) register@$(each))
	@promoted=0; for each in $(or $(REPRESENTATIONS),$$(python -c "$$LISTED")); do \
		ltm3d promote --representation $$each || promoted=1; done; ltm3d results; exit $$promoted

# tests/support/lanes.py shares the tests out over the workers.
WORKERS ?= 2
XDIST := --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

test: setup
	pytest $(XDIST) --durations 25

# Before each commit: what needs no Ray, no server, no browser and no more than a few seconds.
test-fast: setup
	pytest $(XDIST) --durations 10 -m "not (ray or server or browser or slow)"

lint: setup
	ruff check .
	ruff format --check .
	mypy
	lint-imports

check: lint
	pytest -q tests/architecture

format: setup
	ruff check --fix .
	ruff format .
