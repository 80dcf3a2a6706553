# `make help` lists the commands. Two are enough to begin: `make run` and `make test`.
SHELL := /bin/bash
VENV ?= .venv
# A distribution's own build is profile-guided, which is worth 15 % of all CPU time; any other from 3.11 on does as well.
PYTHON ?= $(shell for python in /usr/bin/python3 python3; do \
  $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install -q --disable-pip-version-check -c constraints.txt
SYSTEM_PACKAGES := sip-tester espeak-ng sox dnsmasq-base baresip-core libopus0 kamailio openssl tcpdump

# A switch that compiles its modules anew at each start takes a third longer, and tests start many.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run call test check fmt bench bench-check fuzz soak clean .compiled

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13

setup: $(VENV)/.ready $(VENV)/.packages ## Make .venv, install the pinned packages and, where root, what tests need

$(VENV)/.ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV), once; it takes about a minute ..."
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) -e . || { echo "the packages could not be installed; the message above says which"; exit 1; }
	@touch $@

# The tests' own packages. Foreign user agents have no wheels for every Python; tests without them say so.
$(VENV)/.ready-dev: $(VENV)/.ready
	@echo "Installing what the tests need, once ..."
	@$(PIP) -e '.[dev]'
	@$(PIP) -e '.[interop]' || echo "note: the foreign user agents are not to be had for $$($(PY) --version); tests with them will be skipped"
	@$(PIP) -e '.[quality]' || echo "note: ViSQOL needs a C++ compiler for one of its parts; tests of the voice's quality will be skipped"
	@touch $@

# SIPp plays the carrier in the end-to-end tests.
$(VENV)/.packages: | $(VENV)/.ready
	@if command -v sipp >/dev/null; then touch $@; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing $(SYSTEM_PACKAGES) ..."; \
	  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q $(SYSTEM_PACKAGES); } >/dev/null 2>&1 && touch $@ \
	    || echo "note: $(SYSTEM_PACKAGES) could not be installed; tests with SIPp will be skipped"; \
	else echo "note: SIPp is missing, tests with it will be skipped; on Debian: sudo apt-get install $(SYSTEM_PACKAGES)"; touch $@; fi

# Chromium plays the phone in a browser; it is large, so only `make test` gets it.
$(VENV)/.browser: | $(VENV)/.packages
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then touch $@; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing chromium ..."; \
	  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; } >/dev/null 2>&1 && touch $@ \
	    || echo "note: chromium could not be installed; tests with a browser will be skipped"; \
	else echo "note: chromium is missing, tests with a browser will be skipped; on Debian: sudo apt-get install chromium"; touch $@; fi

# The second media plane, without the recorder and the scripts that Debian recommends beside it.
$(VENV)/.rtpengine: | $(VENV)/.packages
	@if command -v rtpengine >/dev/null; then touch $@; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing rtpengine-daemon ..."; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends rtpengine-daemon >/dev/null 2>&1 && touch $@ \
	    || echo "note: rtpengine-daemon could not be installed; tests with rtpengine will be skipped"; \
	else echo "note: rtpengine is missing, tests with it will be skipped; on Debian: sudo apt-get install rtpengine-daemon"; touch $@; fi

run: setup ## Start the switch on its built-in defaults (Ctrl-C drains and stops)
	@exec $(PY) -m switchboard run

call: setup ## Place a demonstration call through the running switch
	@exec $(PY) -m bench call

# Most end-to-end tests wait for real time to pass, so five files at a time take half as long.
test: setup $(VENV)/.ready-dev $(VENV)/.browser $(VENV)/.rtpengine ## Lint, types, contracts and all tests
	@$(MAKE) -j 2 --no-print-directory check .compiled
	@$(PY) -m pytest -n 5 --dist loadfile

# Once for all processes of the tests, each of which would do it at the same time; beside the checks, which need one CPU.
.compiled:
	@$(PY) -m pytest --collect-only -q >/dev/null || true

check: setup $(VENV)/.ready-dev ## ruff, mypy --strict, import-linter
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

fmt: setup $(VENV)/.ready-dev ## Format and fix what can be fixed
	@$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

# Its plots need a library of their own.
BENCH_RUNS ?= 5
bench: setup ## Measure this switch BENCH_RUNS=5 times: bench/RESULTS.md, results.json, plots; it says how long it takes
	@$(PIP) -e '.[bench]' || echo "note: matplotlib could not be installed; there will be no plots"
	@$(PY) -m bench all --self --runs $(BENCH_RUNS)

bench-check: setup ## Has a call become dearer since the figures committed? 40 seconds
	@$(PY) -m bench compare

SOAK_MINUTES ?= 30
SOAK_RATE ?= 50
soak: setup ## Mixed calls over a bad network for SOAK_MINUTES=30 at SOAK_RATE=50 calls/s; figures in var/soak.json
	@$(PY) -m bench soak --minutes $(SOAK_MINUTES) --rate $(SOAK_RATE) --json var/soak.json

# libFuzzer's wheels are for CPython 3.11 to 3.13 on x86-64.
FUZZ_SECONDS ?= 600
fuzz: setup $(VENV)/.ready-dev ## Feed all parsers with spoilt input for FUZZ_SECONDS=600; what is found is in var/fuzz
	@$(PIP) -e '.[fuzz]' && $(PY) -m tests.fuzz --seconds $(FUZZ_SECONDS)

clean: ## Remove .venv, caches and run-time data
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
