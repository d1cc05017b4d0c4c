# Every target sets up what it needs: a fresh Debian 12 with root and package registries is enough.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The lab starts hundreds of processes: each would compile every module again, a third of what a start costs.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo libgsm postgresql test live soak waiting machines check serve bench simulate hear prompts format clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## the virtual environment with everything in it

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { apt-get update -q && apt-get install -y -q python3; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { apt-get update -q && apt-get install -y -q python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

demo: $(STAMP) ## real calls through a real Asterisk: what was decided, what the carrier saw
	$(BIN)/python -m tests.lab.demo

libgsm: # the codec through which made beeps are sent
	@ldconfig -p | grep -q libgsm.so.1 || { apt-get update -q && apt-get install -y -q libgsm1; }

postgresql: # tests start servers of their own: the system's own cluster is neither wanted nor made
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || [ "$$(id -u)" != 0 ] || { \
	  d=/etc/postgresql-common/createcluster.d; mkdir -p $$d && echo 'create_main_cluster = false' > $$d/ringfence.conf; \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql; \
	  failed=$$?; rm -f $$d/ringfence.conf; exit $$failed; }

test: $(STAMP) libgsm postgresql ## every test, the live ones too; what measures times or hears runs alone
	@failed=0; \
	$(BIN)/python -m pytest -m 'not alone and not paired' --numprocesses 2 --dist loadfile || failed=1; \
	$(BIN)/python -m pytest -m paired --numprocesses 2 --dist loadfile || failed=1; \
	$(BIN)/python -m pytest -m alone || failed=1; \
	exit $$failed

live: $(STAMP) ## only the tests on the live lab
	$(BIN)/python -m pytest -m live

soak: $(STAMP) ## 200 calls into the objection line while everything is killed, 300 times (some 20 minutes)
	$(BIN)/python -m tests.lab.kill_campaign

waiting: $(STAMP) ## 100 callers in a queue for minutes, agents coming and going, the service killed (some 10 minutes)
	$(BIN)/python -m tests.lab.waiting_room

machines: $(STAMP) ## 500 calls to persons and mailboxes: no mailbox may hold a message (some 10 minutes)
	$(BIN)/python -m tests.lab.answering_machines

check: $(STAMP) ## format, lint, types, dialplan, rulebooks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/ringfence dialplan check
	$(BIN)/ringfence config check
	$(BIN)/ringfence prompts check
	$(BIN)/ringfence objection-line check

serve: $(STAMP) ## run the service on embedded defaults
	$(BIN)/ringfence serve

bench: $(STAMP) ## ours against the yardsticks, side by side
	$(BIN)/python -m tests.bench

simulate: $(STAMP) ## the wait estimate against Asterisk's own, on simulated queues (some ten minutes)
	$(BIN)/python -m tests.sim

hear: $(STAMP) libgsm ## who answered, person or machine: ours against app_amd on thousands of made calls (some 20 minutes)
	@command -v espeak-ng >/dev/null || { apt-get update -q && apt-get install -y -q espeak-ng; }
	$(BIN)/python -m tests.detection

prompts: $(STAMP) ## make the sounds of all prompts anew where their texts changed
	@command -v espeak-ng >/dev/null || { apt-get update -q && apt-get install -y -q espeak-ng; }
	@$(BIN)/python -c 'from asterisk_plugin.audio import kokoro; raise SystemExit(not kokoro.is_installed())' \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[kokoro]'
	$(BIN)/ringfence prompts build --kokoro

format: $(STAMP) ## let ruff write the format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the virtual environment and caches; the lab's downloads stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
