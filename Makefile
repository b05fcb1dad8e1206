# Every target sets up what it needs; `make help` lists them.
UV ?= $(shell command -v uv)
PYTHON ?= $(shell $(NEWEST_PYTHON))
PORT ?= 5000
DASHBOARD_PORT ?= 8080
SERVE_PORT ?= 5001
MODEL ?= models:/tmd-material-classifier@production

PIP_AUDIT := pip-audit==2.10.1

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
SOURCES := src

DVC := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc
PIP := $(BIN)/python -m pip
INSTALL := $(if $(UV),$(UV) pip install --compile-bytecode --python $(BIN)/python,$(PIP) install --disable-pip-version-check) --quiet
# The lock holds what each Python gets; pySPM, which AFMReader asks for and nothing here calls, says it is not for 3.13.
LOCKED := --require-hashes$(if $(UV),, --ignore-requires-python)
PYTEST := $(BIN)/python -m pytest --maxprocesses 4 --numprocesses
MORE = $$(($$(getconf _NPROCESSORS_ONLN) + 1))  # slow tests wait much; the longest begin
TORCH_CPU := $(if $(CPU),torch-cpu.lock,$(wildcard torch-cpu.lock))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup repro published growth transfer stem ui dashboard serve check test test-all lint format bench docs sbom audit-deps clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Variables: PYTHON=$(PYTHON)  UV=$(UV) (empty: install with pip)  PORT=$(PORT)  DASHBOARD_PORT=$(DASHBOARD_PORT)  SERVE_PORT=$(SERVE_PORT)  MODEL=$(MODEL)"

setup: $(READY) ## Install the locked environment into .venv (uv when it is there, else pip); CPU=1: without CUDA (README)

$(READY): requirements.lock pyproject.toml $(wildcard torch-cpu.lock)
	@rm -f $@
	@$(CHECK_PYTHON); echo "$(VENV): $$found ($$python)"; \
	  test "$$found" = "$$($(BIN)/python --version 2>/dev/null)" || rm -rf $(VENV); \
	  $(if $(UV),$(UV) venv --quiet --allow-existing $(if $(TORCH_CPU),--seed) --python "$$python",$$python -m venv) $(VENV)
ifneq ($(TORCH_CPU),)
	@test -e torch-cpu.lock || $(BIN)/python -c "$$LOCK_TORCH" '$(TORCH_INDEX)'
	$(INSTALL) --no-deps $(LOCKED) -r torch-cpu.lock
	@awk '/^[a-z]/ {keep = $$1 !~ /^(torch|torchvision)==|^(triton|nvidia-|cuda-)/} keep' requirements.lock > $(VENV)/rest.lock
	$(INSTALL) --no-deps $(LOCKED) -r $(VENV)/rest.lock
else
	$(INSTALL) $(LOCKED) -r requirements.lock
endif
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

repro: $(READY) ## Run the main study; stages that are up to date are skipped
	$(DVC) repro
	@echo "Report: reports/index.html"

published: $(READY) ## Run the study on the authors' published features (fetches them)
	$(DVC) repro pipelines/published_features/dvc.yaml
	@echo "Report: reports/published_features/index.html"

growth: $(READY) ## Run the study on growth temperatures of MoS2 (docs/growth.md)
	$(DVC) repro pipelines/growth_temperature/dvc.yaml
	@echo "Report: reports/growth_temperature/index.html"

transfer: $(READY) ## Run the study on properties that help one another (docs/property-transfer.md)
	$(DVC) repro pipelines/property_transfer/dvc.yaml
	@echo "Report: reports/property_transfer/index.html"

stem: $(READY) ## Run the study of defects in simulated STEM movies (docs/stem.md)
	$(DVC) repro pipelines/stem_defects/dvc.yaml
	@echo "Report: reports/stem_defects/index.html"

ui: $(READY) ## Browse the tracked runs on http://127.0.0.1:$(PORT)
	@mkdir -p mlruns/artifacts
	@env -u MLFLOW_TRACKING_URI $(BIN)/python -m tmdscope.tracking.views http://127.0.0.1:$(PORT)
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 \
	  --backend-store-uri 'sqlite:///$(CURDIR)/mlruns/mlflow.db' --artifacts-destination '$(CURDIR)/mlruns/artifacts'

dashboard: $(READY) ## Browse the studies of searches on http://127.0.0.1:$(DASHBOARD_PORT)
	@test -n "$$TMDSCOPE_SEARCH_STORAGE" || test -e mlruns/optuna.db \
	  || { echo "mlruns/optuna.db does not exist: make repro, or set TMDSCOPE_SEARCH_STORAGE" >&2; exit 1; }
	@$(BIN)/python -c "$$DASHBOARD" $(DASHBOARD_PORT)

serve: $(READY) ## Answer requests with the production model on http://127.0.0.1:$(SERVE_PORT) (docs/models.md)
	$(BIN)/tmdscope serve --model '$(MODEL)' --port $(SERVE_PORT)

check: $(READY) ## Style, types, and the tests nearest to what changed since the last commit: a minute, while one works
	$(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(PYTEST) logical --quiet --no-header -m 'not slow' tests/test_floors.py $$($(BIN)/python -m tests.support.nearest)

test: lint ## Lint, then every test but the slow ones (SLOW=1: those too); one whose needs are absent skips and says why
	$(PYTEST) $(if $(SLOW),$(MORE) --no-loadscope-reorder,logical -m 'not slow') --durations 20

test-all: ## The same with the slow tests: every document's commands, kills at every write, crashes
	$(MAKE) test SLOW=1

lint: $(READY) ## Check style, types and docstrings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet --no-header tests/test_docstrings.py

format: $(READY) ## Rewrite the code in house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY) ## Measure against baselines, one JSON object per line (docs/performance.md)
	@$(BIN)/python -m benchmarks

docs: $(READY) ## Build the docs site; a warning stops the build
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Docs: site/index.html"

sbom: $(READY) ## Write the locked packages and their licences as sbom.cdx.json (CycloneDX)
	$(BIN)/python docs/supply.py
	@echo "Bill of materials: sbom.cdx.json"

audit-deps: ## Ask which locked packages have known faults (needs a network; error 1: some have, 2: could not ask)
	@$(PYTHON) -m venv .audit && .audit/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_AUDIT) \
	  || { echo "not audited: $(PIP_AUDIT) could not be installed; is there a network?" >&2; exit 2; }
	@rm -f .audit/found.json; \
	.audit/bin/pip-audit --disable-pip --require-hashes -r requirements.lock --format json -o .audit/found.json && exit 0; \
	test -s .audit/found.json || { echo "not audited: the database of faults could not be asked (see above)" >&2; exit 2; }; \
	$(PYTHON) -c "$$TELL_FAULTS"; exit 1

# The newest Python of those tested that starts: a pyenv shim may be there without its Python. Its environment stays.
define NEWEST_PYTHON
usable() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$1"; }; \
usable $(BIN)/python && exit; \
for version in 3.13 3.12 3.11; do \
  usable "python$$version" && exit; \
  $(if $(UV),usable "$$($(UV) python find --managed-python --no-python-downloads $$version 2>/dev/null)" && exit;) \
done; \
usable python3
endef

define CHECK_PYTHON
python='$(PYTHON)'; \
$(if $(UV),test -n "$$python" || { $(UV) python install --quiet 3.13; python=$$($(UV) python find --managed-python 3.13); };) \
test -n "$$python" \
  || { echo "no Python from 3.11 on was found: install one, or name it, as in: make setup PYTHON=/path/to/python3.13" >&2; exit 1; }; \
found=$$("$$python" --version 2>&1) && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || { echo "PYTHON=$$python is no Python from 3.11 on ($$found)" >&2; exit 1; }
endef

# The versions of requirements.lock as the address has them for this machine, with their hashes.
define LOCK_TORCH
import json, re, subprocess, sys
from pathlib import Path

if not sys.argv[1]:
    sys.exit("CPU=1 needs torch-cpu.lock, or TORCH_INDEX=ADDRESS of PyTorch's wheels for CPUs to write it from (README)")
pins = re.findall(r"(?m)^(?:torch|torchvision)==[^ ]+", Path("requirements.lock").read_text())
asked = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-", "--index-url", sys.argv[1]]
found = json.loads(subprocess.run([sys.executable, "-m", "pip", *asked, *pins], check=True, capture_output=True).stdout)
lines = [
    f"{item['metadata']['name']}=={item['metadata']['version']} "
    f"--hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}"
    for item in found["install"]
]
Path("torch-cpu.lock").write_text("\n".join([f"--index-url {sys.argv[1]}", *lines, ""]))
endef
export LOCK_TORCH

define TELL_FAULTS
import json
for package in json.load(open(".audit/found.json"))["dependencies"]:
    for fault in package.get("vulns", []):
        print(package["name"], package["version"], fault["id"], "mended in", ", ".join(fault["fix_versions"]) or "none")
endef
export TELL_FAULTS

clean: ## Remove build and test caches and stage outputs that `dvc checkout` brings back; runs and data stay
	rm -rf dist site sbom.cdx.json .audit .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(SOURCES) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	@test ! -x $(BIN)/dvc || $(BIN)/python -c "$$FORGET_OUTPUTS"

# The storage's address stays in the environment: every user of a machine sees a command line.
define DASHBOARD
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server
from optuna_dashboard import wsgi
from tmdscope.search.storage import check_url
from tmdscope.stage import run_stage, say
from tmdscope.tracking.store import search_storage_url

class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

def main():
    address = check_url(search_storage_url()).render_as_string(hide_password=False)
    with make_server("127.0.0.1", int(sys.argv[1]), wsgi(address), server_class=Server) as server:
        say(f"Studies: http://127.0.0.1:{sys.argv[1]} (Ctrl-C ends)")
        server.serve_forever()

run_stage(main)
endef
export DASHBOARD

# Only outputs that DVC's cache can restore are removed; a changed one is kept and named.
define FORGET_OUTPUTS
from dvc.repo import Repo
for out in Repo().index.outs:
    if out.use_cache and out.exists:
        if out.status():
            print(f"kept {out}: it differs from dvc.lock")
        else:
            out.remove()
endef
export FORGET_OUTPUTS
