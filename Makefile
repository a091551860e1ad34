# Everything a fresh machine needs is installed into .venv from the locked requirements.
PYTHON ?= python3
BIN := .venv/bin
FROM ?= 2021-01-04
TO ?= 2021-12-31
PORT ?= 3000

.PHONY: run run-momentum test ui check samples schemas bench bench-backtests lock
.DEFAULT_GOAL := help

help:
	@echo "make run      set up, run a year of the sample portfolio (FROM=, TO=), print a summary"
	@echo "make run-momentum  the same for the momentum portfolio, factor funds ranked each month"
	@echo "make test     set up, then lint, types and tests"
	@echo "make ui       set up, start the Dagster UI and daemon on http://127.0.0.1:$(PORT)"
	@echo "make samples  make the sample prices and signals again"
	@echo "make schemas  make the JSON Schemas of the events again from their records"
	@echo "make bench    performance against bt, in an environment of its own"
	@echo "make bench-backtests  backtests against other packages, in environments of their own"
	@echo "make lock     resolve the locked requirements anew"

.venv/installed: requirements.lock pyproject.toml
	@echo "Setting up .venv (about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed, this is " + sys.version)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

.venv/installed-test: .venv/installed requirements-test.lock
	@echo "Setting up what the tests need (about a minute)"
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-test.lock
	@touch $@

run: .venv/installed
	@$(BIN)/trading_assets run --portfolio sample --from $(FROM) --to $(TO)

run-momentum: .venv/installed
	@$(BIN)/trading_assets run --portfolio momentum --from $(FROM) --to $(TO)

ui: .venv/installed
	@$(BIN)/trading_assets ui --port $(PORT)

check: .venv/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Beside what ib_insync needs, not over it: see requirements-ib-async.in.
.venv/ib_async/installed: .venv/installed requirements-ib-async.lock
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --upgrade \
		--target .venv/ib_async -r requirements-ib-async.lock
	@touch $@

test: check .venv/ib_async/installed
	$(BIN)/pytest -n 2 --dist loadgroup -rs

samples: .venv/installed-test
	$(BIN)/python scripts/make_samples.py

schemas: .venv/installed
	$(BIN)/python scripts/make_schemas.py

.venv-bench/installed .venv-bench-pandas2/installed: .venv-%/installed: requirements-%.lock
	@echo "Setting up .venv-$* with packages to compare with"
	@test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

bench: .venv/installed .venv-bench/installed
	$(BIN)/python assets_tests/bench/daily_cycle.py

bench-backtests: .venv/installed .venv-bench/installed .venv-bench-pandas2/installed
	$(BIN)/python -m assets_tests.bench.backtest_speed

UV_COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet
lock:
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet uv
	$(BIN)/$(UV_COMPILE) pyproject.toml -o requirements.lock
	$(BIN)/$(UV_COMPILE) --extra test pyproject.toml -c requirements.lock -o requirements-test.lock
	$(BIN)/$(UV_COMPILE) requirements-bench.in -o requirements-bench.lock
	$(BIN)/$(UV_COMPILE) requirements-bench-pandas2.in -o requirements-bench-pandas2.lock
	$(BIN)/$(UV_COMPILE) --no-emit-package numpy --no-emit-package tzdata \
		--no-emit-package nest-asyncio requirements-ib-async.in -o requirements-ib-async.lock
