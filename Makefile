# make setup | run | test | test-browser | lab | notebooks | tables | site | lint | tidy | clean-run
# Another interpreter for the first setup:  make setup PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DATA := data/foundry
RUN := runs/demo
LAB_ARGS ?=

NOTEBOOKS := $(wildcard notebooks/*.ipynb notebooks/deeper/*.ipynb)

# Whatever the shell says: make works with the data folder of this checkout.
export HVQ_DATA := $(CURDIR)/data

.DEFAULT_GOAL := setup
.PHONY: setup run test test-browser lab notebooks tables site lint tidy clean-run

# $(call need_python,INTERPRETER): stop with a sentence where it is missing or too old.
need_python = @$(1) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4))' || { \
	echo "hvqlib needs Python 3.11.4 or newer, and '$(1)' is not: name one with 'make setup PYTHON=python3.12' (remove .venv first if it was made with an older one)." >&2; exit 1; }

setup: $(STAMP)

# pip is the last thing venv writes, so a half-made .venv is made again. It is an order-only
# prerequisite: a .venv that is there already (say, with a CPU-only torch in it) is kept and filled.
$(BIN)/pip:
	$(call need_python,$(PYTHON))
	$(PYTHON) -m venv .venv

$(STAMP): pyproject.toml constraints.txt | $(BIN)/pip
	$(call need_python,$(BIN)/python)
	$(BIN)/python -m pip install -c constraints.txt -e ".[dev]"
	@touch $@

# Each step finishes what is unfinished and leaves alone what is done: after Ctrl-C, run it again.
run: setup
	$(BIN)/hvq data foundry
	$(BIN)/hvq train --data $(DATA) --out $(RUN) --preset tiny --resume
	$(BIN)/hvq evaluate --run $(RUN) --data $(DATA)
	@echo "Look at $(RUN)/gallery.png and $(RUN)/metrics.json. To train from the start: make clean-run run"

clean-run:
	rm -rf $(RUN)

# Threads that wait without spinning: beside a browser or a second kernel, several times faster on two cores.
test test-browser lab notebooks: export OMP_WAIT_POLICY := PASSIVE
# Outputs never depend on what somebody predicted before: nothing is kept.
test test-browser notebooks: export HVQ_SCOREBOARD :=

# Lint and types; every test; then every notebook: run, and its outputs compared with the saved ones, while
# tests/wrong_answers.py tries each check. The data set is drawn first, once for all. Two at a time, a thread each.
test: lint
	$(BIN)/hvq data foundry
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal
	OMP_NUM_THREADS=1 PYTHONSTARTUP=$(CURDIR)/tests/wrong_answers.py $(BIN)/python -m pytest -n 2 --dist loadfile \
		--nbval --nbval-current-env --nbval-cell-timeout 600 --durations 0 --durations-min 10 notebooks

# Every notebook in a real JupyterLab and Chromium: run whole, every control moved; then the site, built and read.
test-browser: setup
	$(BIN)/hvq data foundry
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests/browser

lab: setup
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir=. \
		--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(LAB_ARGS)

# Runs every notebook whole, in place, and drops what a code host cannot show.
notebooks: setup
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False $(NOTEBOOKS)
	$(BIN)/nbstripout --keep-output --keep-count --keep-id $(NOTEBOOKS)

# Fills the tables of docs/, and draws its figure, from data/results/.
tables: setup
	$(BIN)/python docs/tables.py
	$(BIN)/python docs/course.py
	$(BIN)/python docs/figures.py

# The course as static pages, from the notebooks as they are saved; works from disk: site/index.html.
site: setup
	$(BIN)/python docs/build_site.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Before a commit: format, and drop from notebooks the widget state that code hosts cannot show.
tidy: setup
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .
	$(BIN)/nbstripout --keep-output --keep-count --keep-id $(NOTEBOOKS)
