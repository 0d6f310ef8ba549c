# make lab: everything for a reader. make test: everything for whoever changes something.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready
LAB_FLAGS ?= $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)
PORT   ?= 8888
# two test files at a time; alone runs what is held to a time or looks at all processes (race panel, first start, graded batches)
ABREAST ?= -n 2 --dist loadfile --no-loadscope-reorder
ALONE := tests/browser/test_race_panel.py
FIRST := tests/browser/test_fresh_clone.py
NOTEBOOKS := $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))

.PHONY: lab environment test test-all test-slow unit notebook-tests browser-tests lint fetch notebooks site bench evidence clean

lab: $(READY) ## open the course
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(RUN) -m jupyter lab $(LAB_FLAGS) --config=notebooks/.jupyter/lab.py --port=$(PORT)

environment: $(READY) ## all that the course needs, and nothing opened

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "The course needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1). Name another: make lab PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv is missing; on Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@# --no-compile: Python compiles what is imported when it is; compiling all of it now takes a minute of a first start
	$(RUN) -m pip install --disable-pip-version-check --no-compile -r requirements.txt
	@touch $@

test: $(READY) fetch lint unit notebook-tests browser-tests ## everything a change can break

test-all: test test-slow ## and what takes long

test-slow: $(READY)
	$(RUN) -m pytest $(FIRST) tests/grading -m slow -rs --durations=5
	$(RUN) -m pytest $(ABREAST) -m slow -rs --ignore=$(FIRST) --ignore=tests/grading --durations=10

lint: $(READY)
	$(RUN) -m ruff check .
	$(VENV)/bin/lint-imports

unit: $(READY)
	$(RUN) -m pytest $(ABREAST) -m "not slow and not browser" --durations=5

notebook-tests: $(READY)
	OMP_NUM_THREADS=1 $(RUN) -m pytest $(ABREAST) --nbval --nbval-current-env --nbval-cell-timeout=180 --durations=8 $(NOTEBOOKS)

browser-tests: $(READY)
	$(RUN) -m pytest -n 2 -m "browser and not slow" -rs --ignore=$(ALONE) --durations=5
	$(RUN) -m pytest $(ALONE) -m "not slow" -rs --durations=5

fetch: $(READY)
	$(RUN) -m course_lib fetch

notebooks: $(READY) ## run all notebooks in place and tidy them
	$(RUN) notebooks/build.py $(NOTEBOOKS)

site: $(READY) ## the notebooks as web pages in build/site
	$(RUN) -m pip install --disable-pip-version-check -q -r notebooks/site/requirements.txt
	$(RUN) notebooks/site/build.py

bench: $(READY) ## measure; nothing here passes or fails
	$(RUN) -m tests.benchmarks

evidence: $(READY) ## rerun the three-seed experiments behind the notebooks
	$(RUN) -m course_lib evidence

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
