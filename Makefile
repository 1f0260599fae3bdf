# `make demo` and `make test` set up everything they need; `make help` lists the rest.
# Needs: GNU make and Python 3.11 or newer with venv. Nothing is installed outside .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRITON := .triton
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# More for the command at hand: make test ARGS="tests/metrics -k goodput", make bench ARGS=--help
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-plots setup-real setup-triton demo test check fmt docs bench lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; do \
		printf '%-16s %s\n' "$$name" "$$what"; done

setup: $(VENV)/.installed ## .venv with the program (editable) and its tools, from the hashed locks

setup-plots: $(VENV)/.installed-plots ## and kaleido, for images of the plots; they need a Chrome or Chromium besides

setup-real: $(VENV)/.installed-real ## and llama.cpp's own server, for the tests against a real one

setup-triton: $(TRITON)/.installed ## and NVIDIA's Triton, in an environment of its own, for the tests against it

demo: setup ## measure the embedded server: a table, and the run's files in artifacts/
	$(BIN)/genai-perf profile -m gpt2 --tokenizer builtin --endpoint-type chat --streaming --url embedded \
		--synthetic-input-tokens-mean 200 --output-tokens-mean 64 --concurrency 10 --request-count 100 $(ARGS)

test: setup ## the tests
	$(BIN)/python -m pytest $(ARGS)

check: setup ## what CI runs: format, lint, types, import layers, tables in the README, tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/render.py --check
	$(BIN)/python -m pytest $(ARGS)

fmt: setup ## format, and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: setup ## the tables in the README again, which are made from the code
	$(BIN)/python docs/render.py

bench: setup ## the figures, measured here and now
	$(BIN)/python benchmarks/run.py $(ARGS)

lock: setup ## the locks again after a change in pyproject.toml; ARGS=--upgrade for new versions
	$(PIP) install 'uv>=0.8'
	$(call compile,requirements.lock)
	$(call compile,requirements-dev.lock,--extra dev --constraints requirements.lock)
	$(call compile,requirements-plots.lock,--extra plots --constraints requirements-dev.lock)
	$(call compile,requirements-real.lock,--extra real --constraints requirements-dev.lock)
	printf '%s\n' 'nvidia-pytriton==0.7.0' 'numpy<2' | $(BIN)/uv pip compile - --output-file requirements-triton.lock \
		--no-deps --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet $(ARGS)

clean: ## remove .venv, .triton, caches and builds; the runs in artifacts/ stay
	rm -rf $(VENV) $(TRITON) build dist benchmarks/build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find genai_perf tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# Hashes of every platform's files, and no registry's address.
compile = $(BIN)/uv pip compile pyproject.toml $(2) --output-file $(1) \
	--universal --python-version 3.11 --generate-hashes --no-header --quiet $(ARGS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: Python 3.11 or newer is needed, \
	$(PYTHON) is " + sys.version.split()[0] + "; name another with make PYTHON=...")'
	@$(PYTHON) -c 'import ensurepip' || { \
		echo "error: $(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Bytecode is written when a module is first used: compiling all of it would take as long as the rest.
$(VENV)/.installed: $(BIN)/python requirements-dev.lock pyproject.toml
	@echo "Installing into $(VENV): about a minute the first time"
	@$(PIP) install --no-compile --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-plots: $(VENV)/.installed requirements-plots.lock
	@echo "Installing kaleido"
	@$(PIP) install --no-compile --require-hashes --requirement requirements-plots.lock
	@touch $@

# The server of a wheel whose Python half nobody needs, and the numpy that its backend can work with.
$(TRITON)/.installed: requirements-triton.lock
	@echo "Installing Triton into $(TRITON): 230 MB"
	@$(PYTHON) -m venv $(TRITON)
	@$(TRITON)/bin/python -m pip --disable-pip-version-check --quiet install --no-compile --no-deps \
		--require-hashes --requirement requirements-triton.lock
	@touch $@

$(VENV)/.installed-real: $(VENV)/.installed requirements-real.lock
	@echo "Installing the real server"
	@$(PIP) install --no-compile --require-hashes --requirement requirements-real.lock
	@touch $@
