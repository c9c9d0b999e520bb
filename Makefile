# Every target builds what it needs. Two commands are enough: make reproduce, make test.

PROFILE ?= quick# smoke (seconds a notebook), quick (minutes), standard (hours), paper (real data)
OUT ?=#           folder that gets results/ and figures/; the project by default
DATA ?=#          folder of the data sets; data/PROFILE by default
ARGS ?=#          further arguments, e.g. ARGS="--only table4 --dataset synth-crime"
PYTHON ?=#        Python 3.11 or 3.12 that .venv is made with; looked for by default

BIN := .venv/bin
INSTALLED := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --require-virtualenv
SUPPORTED := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))

.DEFAULT_GOAL := help
.PHONY: help install weights reproduce smoke beyond test lint bench lab clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

install: $(INSTALLED) ## .venv with the pinned packages and the project

# The stamp is removed before pip starts. An environment without it is half installed and is built from nothing.
$(INSTALLED): requirements.lock pyproject.toml
	@set -e; \
	if [ -e $@ ]; then \
		rm $@; \
	else \
		for python in $(or $(PYTHON),python3.11 python3.12 python3); do \
			if "$$python" -c '$(SUPPORTED)' 2>/dev/null; then found=$$python; break; fi; \
		done; \
		if [ -z "$${found:-}" ]; then \
			echo "No usable Python (tried: $(or $(PYTHON),python3.11 python3.12 python3)). Needed: 3.11 or 3.12 with venv and" \
				"ensurepip. Install one and name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
			exit 1; \
		fi; \
		echo "creating .venv with $$found"; \
		"$$found" -m venv --clear .venv; \
	fi; \
	$(PIP) install -r requirements.lock; \
	$(PIP) install --no-deps --no-build-isolation -e .; \
	touch $@

weights: $(INSTALLED) ## fetch the I3D weights, once, into the user's cache
	@$(BIN)/python -m vad_lib.data.backbones.i3d_weights --fetch

reproduce: weights ## videos to tables and figures (PROFILE, OUT, DATA, ARGS)
	$(BIN)/python -m vad_lib.reproduce --profile "$(PROFILE)" $(if $(OUT),--out "$(OUT)") $(if $(DATA),--data "$(DATA)") $(ARGS)

smoke: ## every notebook in its smallest profile
	@$(MAKE) --no-print-directory reproduce PROFILE=smoke

beyond: ## notebook 06 with its grid of questions trained: hours (PROFILE, OUT, DATA, ARGS)
	@$(MAKE) --no-print-directory reproduce ARGS='--only 06_beyond_the_paper --parameter train=true $(ARGS)'

test: weights ## all tests, notebooks included (ARGS go to pytest)
	$(BIN)/python -m pytest $(ARGS)

lint: $(INSTALLED) ## ruff: rules and format
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

bench: weights ## every benchmark
	@set -e; for benchmark in benchmarks/bench_*.py; do echo "== $$benchmark"; $(BIN)/python "$$benchmark"; done

lab: weights ## open the notebooks in JupyterLab
	$(BIN)/python -m jupyterlab notebooks

clean: ## remove rendered videos, their features, smoke results and caches; keep .venv, own data, committed results
	rm -rf data/*/synth-crime data/*/synth-violence results/smoke figures/smoke results/*/.state build
	rm -rf .pytest_cache .ruff_cache .hypothesis
	find vad_lib tests scripts benchmarks notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
