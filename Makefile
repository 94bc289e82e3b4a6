# DbMux: `make demo` shows it, `make test` proves it, `make install` only makes .venv/bin/dbmux.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
TYPES := $(shell find dbmux -name '*.pxd')
COMPILED := $(TYPES) $(TYPES:.pxd=.py)

# A command that is quiet while all goes well, and then says what it did and how long it took.
TIMED = @begun=$$(date +%s); $(2) && echo "$(1): $$(($$(date +%s) - begun)) s"

.PHONY: install demo check test differential soak bench clean

install: $(VENV)/installed

demo: install
	@$(BIN)/dbmux demo

# The fast part: form, types, imports, and the tests that need no servers.
check: $(VENV)/developed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto -m "not real"

# Each of two processes starts servers of its own; what the tests of one file share stays together.
test: check $(VENV)/mysqlclient
	$(BIN)/pytest -n 2 --dist loadfile -m "real and not differential"
	$(BIN)/pytest -n 2 -m differential tests/differential/test_sequences.py::test_the_same_through_dbmux_as_direct \
	  tests/differential/test_sequences.py::test_the_same_from_memory tests/differential/test_generated.py
	bash tests/wheel.sh $(PYTHON)

# Every statement sequence of tests/differential, moved to another connection between any two statements, in all ways;
# two of them are in `test`, and so are the generated ones.
differential: $(VENV)/developed
	$(BIN)/pytest -n 2 -m differential

# Kills and stalls under load, for ten minutes a server; random reads and writes through the cache, for ten in all; the
# live interface while statements rush by, for ten.
soak: $(VENV)/developed
	DBMUX_SOAK_SECONDS=600 $(BIN)/pytest -m real tests/real/test_chaos.py tests/real/test_cache_checker.py \
	  tests/real/test_live_soak.py

bench: $(VENV)/developed
	$(BIN)/python -m benchmarks all

# One line instead of a traceback where something is missing.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "DbMux needs Python 3.11 or newer; say which one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) lacks venv; install it: apt install python3-venv"; exit 1; }
	$(call TIMED,virtual environment made,$(PYTHON) -m venv $(VENV))

$(VENV)/installed: requirements.txt pyproject.toml setup.py $(COMPILED) | $(VENV)/bin/pip
	$(call TIMED,packages installed,$(PIP) install --require-hashes -r requirements.txt)
	$(call TIMED,DbMux installed,$(PIP) install --no-deps --no-build-isolation --editable .)
	@$(BIN)/dbmux --version
	@touch $@

$(VENV)/developed: requirements-dev.txt $(VENV)/installed
	$(call TIMED,tools for developers installed,$(PIP) install --require-hashes -r requirements-dev.txt)
	@touch $@

# mysqlclient is compiled; where its headers are missing, its tests are skipped (and fail in CI).
$(VENV)/mysqlclient: requirements-mysqlclient.txt $(VENV)/developed
	@if $(PIP) install --require-hashes --no-build-isolation -r requirements-mysqlclient.txt; then touch $@; else \
	  echo "mysqlclient could not be built; for its tests: apt install libmariadb-dev pkg-config gcc python3-dev"; fi

clean:
	rm -rf $(VENV) build dist *.egg-info dbmux/*.c dbmux/*/*.c dbmux/*.so dbmux/*/*.so .mypy_cache .ruff_cache .hypothesis .import_linter_cache
