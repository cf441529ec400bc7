# make setup | run | test | test-browser | lab | site | slides | notebooks | tables | lint | tidy | clean-run
# What each does is in hvqlib/course/chores.py; without make:  python -m hvqlib.course setup | run | ...
# Another interpreter for the first setup:  make setup PYTHON=python3.12
PYTHON ?= python3
LAB_ARGS ?=

.DEFAULT_GOAL := setup
CHORES := setup run test test-browser lab site slides notebooks tables lint tidy clean-run
.PHONY: $(CHORES)

$(CHORES):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 8))' || { \
		echo "hvqlib needs Python 3.11.4 or newer, and '$(PYTHON)' is not: name one with 'make setup PYTHON=python3.12' (remove .venv first if it was made with an older one)." >&2; exit 1; }
	@$(PYTHON) -m hvqlib.course $@ $(if $(filter lab,$@),$(LAB_ARGS))
