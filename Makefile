# Two commands on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
# More than two cores can feed: tests on a broker mostly wait.
WORKERS ?= 3
PORT ?= 9092
DATA ?=
CASES ?= all
MACHINES ?= all
QUICK ?=
PAGE ?=
SIZE ?= bars
SEED ?=

VENV := .venv
BIN := $(VENV)/bin
CHECKED := stream training deploy tests
# A copy of the checkout whose product is what the wheel holds: a file that packaging forgets fails a test.
UNPACKED := target/unpacked
# Tests run there, so the path is absolute; "none" is no path.
export NARROWS_DATA := $(if $(filter none,$(NARROWS_DATA)),none,$(abspath $(or $(NARROWS_DATA),../shared/data)))
export NARROWS_CASES := $(if $(filter none,$(NARROWS_CASES)),none,$(abspath $(or $(NARROWS_CASES),../shared/cases)))

# $(call stage,what,command): says what it does, does it, says how long that took.
define stage
@echo "==> $(1)"; begin=$$SECONDS; $(2); echo "<== $(1): $$((SECONDS - begin)) s"
endef

.PHONY: help
help:
	@echo "make demo    train on a generated fleet and watch it find the faults; no services needed"
	@echo "make test    lint, format check, types, and all tests on the built wheel; real-broker tests need Java 17 and Maven"
	@echo "make kafka   a real Apache Kafka in the foreground, on 127.0.0.1:$(PORT); PORT=, DATA=folder to keep"
	@echo "make real    train on real data, stream it through a real broker, compare with the labels; CASES=smd|nab|skab"
	@echo "make quality how well the defaults detect on real labelled data, beside floors; three seeds; CASES=smd|..., PAGE=folder"
	@echo "make robustness replayed sensors, slow drift and poisoned recalibration on real data; MACHINES=machine-1-2|machine-2-1"
	@echo "make chaos   kill, pause and cut off consumers and broker, and ask the oracle; SIZE=short|bars|goal, SEED=n"
	@echo "make bench   readings per second of narrows beside what the client can deliver and the textbook loop; QUICK=1"
	@echo "make clean   remove the environment and every cache"
	@echo "PYTHON=$(PYTHON) names the interpreter, WORKERS=$(WORKERS) the test processes"

.PHONY: demo
demo: $(VENV)/.installed
	$(call stage,narrows demo,$(BIN)/narrows demo)

.PHONY: test
test: $(VENV)/.installed-dev
	$(call stage,lint,$(BIN)/ruff check .)
	$(call stage,format check,$(BIN)/ruff format --check .)
	$(call stage,types,$(BIN)/mypy --strict $(CHECKED))
	$(call stage,wheel,rm -rf target/wheel $(UNPACKED) && \
	  $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir target/wheel . && \
	  $(BIN)/python -m zipfile -e target/wheel/narrows-*.whl $(UNPACKED) && \
	  cp -R .ci deploy tests LICENSE Makefile README.md pyproject.toml $(UNPACKED))
	$(call stage,tests on the unpacked wheel,cd $(UNPACKED) && $(abspath $(BIN))/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 10)

# The launcher needs the standard library only, hence no environment.
.PHONY: kafka
kafka: python
	@exec $(PYTHON) -m deploy.kafka.broker --port $(PORT) $(if $(DATA),--data "$(DATA)")

.PHONY: real
real: $(VENV)/.installed-dev
	$(call stage,real data through a real broker,$(BIN)/python -m tests.real_data $(CASES))

.PHONY: quality
quality: $(VENV)/.installed-dev
	$(call stage,quality on real labelled data,$(BIN)/python -m tests.quality $(CASES) $(if $(PAGE),--page "$(PAGE)"))

.PHONY: robustness
robustness: $(VENV)/.installed-dev
	$(call stage,attacks without a gradient on real labelled data,$(BIN)/python -m tests.robustness $(MACHINES))

.PHONY: chaos
chaos: $(VENV)/.installed-dev
	$(call stage,chaos on a real broker,$(BIN)/python -m tests.chaos --size $(SIZE) $(if $(SEED),--seed $(SEED)))
	$(call stage,restart with very many series,$(BIN)/python -m tests.chaos.many_series)

.PHONY: bench
bench: $(VENV)/.installed-dev
	$(call stage,throughput on a real broker,$(BIN)/python -m tests.bench $(if $(QUICK),--quick))

.PHONY: clean
clean:
	@echo "==> remove $(VENV) and caches"
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks build dist target *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python
python:
	@command -v $(PYTHON) > /dev/null || { echo "no '$(PYTHON)' here; name a Python >= 3.11: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "'$(PYTHON)' is $$($(PYTHON) -V 2>&1), narrows needs >= 3.11: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }

# The stamps carry the date of the last installation: the environment is reused until pyproject.toml changes.
# An environment without a stamp was interrupted half-way and is started over.
$(VENV)/.installed: pyproject.toml | python
	$(call stage,environment in $(VENV),[ -e $@ ] || $(PYTHON) -m venv --clear $(VENV))
	$(call stage,install narrows (most of it is torch),$(BIN)/python -m pip install --quiet --editable .)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(call stage,install development tools,$(BIN)/python -m pip install --quiet --editable '.[dev]')
	@touch $@
