# Every target builds what it needs. Two commands are enough: make reproduce, make test.
# Without make: scripts/setup.py sets up, and the lines below that begin with $(BIN) run as they are.

PROFILE ?= quick# smoke (seconds a notebook), quick (minutes), study (hours; the reference), paper (real data)
OUT ?=#           folder that gets results/ and figures/; the project by default
DATA ?=#          folder of the data sets; data/PROFILE by default
JOBS ?= 2#        processes that run the tests
ARGS ?=#          further arguments, e.g. ARGS="--only table4 --dataset synth-crime"
PYTHON ?=#        Python that .venv is made with: 3.11, 3.12 or 3.13; looked for by default
PYTHONS := python3.11 python3.12 python3.13

BIN := .venv/bin
INSTALLED := .venv/.installed
# A file of tests stays in one process, and files begin in the order of tests/conftest.py: the longest first.
PYTEST := -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
FAST := -m "not slow and not release"

.DEFAULT_GOAL := help
.PHONY: help install weights reproduce smoke questions study report site reference lab course slides check lint test test-release check-pythons bench clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

install: $(INSTALLED) ## .venv with the pinned packages and the project

# An environment without the stamp is half installed; scripts/setup.py makes it from nothing.
$(INSTALLED): requirements.lock pyproject.toml
	@for python in $(or $(PYTHON),$(PYTHONS) python3); do \
		if "$$python" scripts/setup.py --check 2>/dev/null; then exec "$$python" scripts/setup.py --no-weights; fi; \
	done; \
	echo "No usable Python (tried: $(or $(PYTHON),$(PYTHONS) python3)). Needed: 3.11, 3.12 or 3.13 with venv and ensurepip." \
		"Install one and name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	exit 1

weights: $(INSTALLED) ## fetch the I3D weights, once, into the user's cache
	@$(BIN)/python -m vad_lib.data.backbones.i3d_weights --fetch

reproduce: weights ## videos to tables and figures (PROFILE, OUT, DATA, ARGS)
	$(BIN)/python -m vad_lib.reproduce --profile "$(PROFILE)" $(if $(OUT),--out "$(OUT)") $(if $(DATA),--data "$(DATA)") $(ARGS)

smoke: ## every notebook in its smallest profile
	@$(MAKE) --no-print-directory reproduce PROFILE=smoke

questions: ## notebook 06 with its grid of questions trained: hours (PROFILE, OUT, DATA, ARGS)
	@$(MAKE) --no-print-directory reproduce ARGS='--only 06_beyond_the_paper --parameter train=true $(ARGS)'

# Hours on two cores, in pieces: what is finished is kept, and the same command goes on with the rest. The grid comes first,
# because it trains rows too: notebooks that only read runs then read all of them.
study: ## the whole chain in the study profile, with the grid: hours; stopped, it goes on (OUT, DATA, ARGS)
	@$(MAKE) --no-print-directory questions PROFILE=study ARGS='$(ARGS)'
	@$(MAKE) --no-print-directory reproduce PROFILE=study ARGS='--parameter train=true $(ARGS)'

report: $(INSTALLED) ## your tables beside the reference, value by value (ARGS)
	$(BIN)/python -m vad_lib.report.reproduction $(ARGS)

site: $(INSTALLED) ## static pages of the committed results into build/site: a minute (OUT, ARGS)
	$(BIN)/python -m vad_lib.site $(if $(OUT),--out "$(OUT)") $(ARGS)

# Kernels load changed modules again before each cell: notebooks/.ipython says so.
lab: weights ## open JupyterLab at the project's root, with the first lesson
	IPYTHONDIR="$(CURDIR)/notebooks/.ipython" $(BIN)/python -m jupyterlab --ServerApp.root_dir="$(CURDIR)" \
		--LabApp.default_url=/lab/tree/notebooks/course/1_bags_and_mil.ipynb

course: $(INSTALLED) ## for maintainers: lessons from their sources; then executed, into results/course
	$(BIN)/python -m vad_lib.course.build --execute

slides: $(INSTALLED) ## slides of the lessons, in build/slides
	$(BIN)/python -m vad_lib.course.build --slides build/slides

check: lint ## lint, types and fast tests: three minutes
	$(BIN)/python $(PYTEST) $(FAST) $(ARGS)

lint: $(INSTALLED) ## style, imports between rooms, types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m mypy

test: weights ## all tests, notebooks included (ARGS go to pytest)
	$(BIN)/python $(PYTEST) $(ARGS)

test-release: weights ## what only a release needs: UCF-Crime at its full size, every method (ARGS go to pytest)
	$(BIN)/python $(PYTEST) -m release $(ARGS)

check-pythons: ## fast tests under every supported Python here, each in an environment of its own (PYTHONS, ARGS)
	@set -e; for python in $(PYTHONS); do \
		if ! "$$python" scripts/setup.py --check 2>/dev/null; then echo "== $$python: not usable here"; continue; fi; \
		folder=$$("$$python" -c 'import sys; print(".venv-%d.%d" % sys.version_info[:2])'); \
		echo "== $$python in $$folder"; \
		"$$python" scripts/setup.py --venv "$$folder" --no-weights; \
		"$$folder/bin/python" $(PYTEST) $(FAST) $(ARGS); \
	done

bench: weights ## every benchmark
	@set -e; for benchmark in benchmarks/bench_*.py; do echo "== $$benchmark"; $(BIN)/python "$$benchmark"; done

reference: $(INSTALLED) ## for maintainers: release what was run as results/reference, and the README's table (ARGS)
	$(BIN)/python -m vad_lib.reference $(ARGS)

clean: ## remove rendered videos and their features, smoke results and caches; keep .venv, own data, results
	rm -rf data/*/synth-crime data/*/synth-violence results/*/.state build
	rm -rf results/smoke figures/smoke results/from-reference figures/from-reference
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find vad_lib tests scripts benchmarks notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
