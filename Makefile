# DbMux: `make demo` shows it, `make test` proves it, `make install` only makes .venv/bin/dbmux.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: install demo check test bench clean

install: $(VENV)/installed

demo: install
	@$(BIN)/dbmux demo

# The fast part: form, types, imports, and the tests that need no servers.
check: $(VENV)/developed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not real"

test: check $(VENV)/mysqlclient
	$(BIN)/pytest -m real
	bash tests/wheel.sh $(PYTHON)
	$(BIN)/dbmux demo < /dev/null

bench: $(VENV)/developed
	$(BIN)/python -m benchmarks all

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "DbMux needs Python 3.11 or newer; say which one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python lacks venv; install it: apt install python3-venv"; exit 1; }

$(VENV)/installed: requirements.txt pyproject.toml dbmux/kernel.py dbmux/kernel.pxd dbmux/lexer.py dbmux/lexer.pxd | $(VENV)/bin/pip
	$(PIP) install --require-hashes -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/dbmux --version
	@touch $@

$(VENV)/developed: requirements-dev.txt $(VENV)/installed
	$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

# mysqlclient is compiled; where its headers are missing, its tests are skipped (and fail in CI).
$(VENV)/mysqlclient: requirements-mysqlclient.txt $(VENV)/developed
	@if $(PIP) install --require-hashes --no-build-isolation -r requirements-mysqlclient.txt; then touch $@; else \
	  echo "mysqlclient could not be built; for its tests: apt install libmariadb-dev pkg-config gcc python3-dev"; fi

clean:
	rm -rf $(VENV) build dist *.egg-info dbmux/kernel.c dbmux/lexer.c dbmux/*.so .mypy_cache .ruff_cache .hypothesis .import_linter_cache
