# make demo     the whole way from 16 painted masks to a dataset, in out/demo
# make test     the tests
# make lint     style and types
PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV ?= .venv
DEMO_ARGS ?= --config.factory.num_samples=500
TEST_ARGS ?=
RUN = $(VENV)/bin/python

.PHONY: demo test lint clean

demo: $(VENV)/installed
	$(RUN) -m launch.demo $(DEMO_ARGS)

test: $(VENV)/installed-dev
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	  $(TEST_ARGS)

lint: $(VENV)/installed-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

$(VENV)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -qq --disable-pip-version-check \
	  --editable '.[tensorflow]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(RUN) -m pip install -qq --disable-pip-version-check \
	  --editable '.[dev]'
	touch $@
