# Everything runs through uv, which is bootstrapped into .tools; Python packages come from uv.lock.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
UV_VERSION := 0.13.8
TOOLS := $(CURDIR)/.tools
UV := $(TOOLS)/uv-$(UV_VERSION)/bin/uv
RUN := $(UV) run --frozen --all-groups --quiet
MINISTACK := tests/localcluster/aws/ministack
GENERATED := crds charts/cloudtrail-operator/files docs/reference charts/cloudtrail-operator/README.md \
	charts/cloudtrail-sources/README.md charts/cloudtrail-sources/values.schema.json

export UV_PYTHON_DOWNLOADS := never
export PYTHONPATH := $(CURDIR)/tests:$(CURDIR)/charts
# A virtual environment of the caller's own must not win over the project's.
unexport VIRTUAL_ENV

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@echo "Getting uv $(UV_VERSION) into .tools (once)"
	@mkdir -p $(TOOLS)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(TOOLS)/uv-$(UV_VERSION) || { rm -rf $(TOOLS)/uv-$(UV_VERSION); \
		echo "Python cannot make a virtual environment here. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(TOOLS)/uv-$(UV_VERSION)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { \
		rm -rf $(TOOLS)/uv-$(UV_VERSION); exit 1; }

.PHONY: setup
setup: $(UV) ## Install the locked Python packages
	@$(UV) sync --frozen --all-groups --quiet
	@$(UV) sync --frozen --quiet --project $(MINISTACK)

.PHONY: demo
demo: setup ## Run the whole path on this machine; KEEP=1 leaves it running
	@$(RUN) python -m localcluster.demo $(if $(KEEP),--keep)

.PHONY: cluster
cluster: setup ## Run a local cluster to try things on, until Ctrl-C
	@$(RUN) python -m localcluster

.PHONY: test
test: setup ## Run every test (real API server if at hand, else the embedded one)
	@$(RUN) pytest $(TESTS)

.PHONY: test-fast
test-fast: setup ## Run the tests that need no server
	@$(RUN) pytest tests/unit tests/contract tests/test_architecture.py $(TESTS)

.PHONY: bench
bench: setup ## Measure the collector beside other ways; QUICK=1 takes about a minute
	@$(RUN) python -m bench $(if $(QUICK),--quick)

.PHONY: soak
soak: setup ## Send FILES files (20000) through random faults and count every event record
	@$(RUN) python -m soak --files $(or $(FILES),20000)

.PHONY: envtest
envtest: setup ## Build the real control plane (etcd, kube-apiserver, kube-controller-manager) with Go, once
	@$(RUN) python -m localcluster.envtest_build

.PHONY: bench-operator
bench-operator: setup ## Measure the operator with up to 3,000 sources; QUICK=1 takes some minutes
	@$(RUN) python -m bench_operator $(if $(QUICK),--quick)

.PHONY: prometheus
prometheus: setup ## Get Prometheus and promtool for the tests, without root
	@$(RUN) python -m localcluster.prometheus

CONTAINER ?= docker
TAG ?= dev
.PHONY: images
images: ## Build both images with docker, or CONTAINER=podman; TAG names them
	@for program in collector operator; do \
		$(CONTAINER) build -f $$program/Dockerfile -t cloudtrail-$$program:$(TAG) --build-arg VERSION=$(TAG) \
			--build-arg REVISION=$$(git rev-parse HEAD) \
			--build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) . || exit 1; \
	done

.PHONY: pictures
pictures: setup ## Draw the documentation's pictures and tables anew, some minutes
	@$(RUN) python -m localcluster.demo --svg docs/images/demo.svg
	@$(RUN) python -m pictures dashboards
	@$(RUN) python -m pictures benchmarks
	@$(RUN) python -m bench.sizing docs/sizing.md
	@$(RUN) python -m images --write docs/supply-chain.md

.PHONY: generate
generate: setup ## Write what is generated: CRDs, field reference, tables of values, alerts, dashboards
	@$(RUN) python -m cloudtrail_spec crds charts/cloudtrail-operator/files
	@$(RUN) python -m cloudtrail_spec.reference crds docs/reference
	@$(RUN) python -m chart_values charts
	@$(RUN) python -m observability charts/cloudtrail-operator/files

.PHONY: docs
docs: setup ## Make a site of the documents in .cache/site; a dead link is an error
	@$(RUN) sphinx-build -W -n -q --keep-going -c docs/site . -d .cache/doctrees .cache/site
	@echo "Open .cache/site/index.html"

.PHONY: fmt
fmt: setup ## Format the code
	@$(RUN) ruff format --quiet .
	@$(RUN) ruff check --quiet --fix-only .

.PHONY: lint
lint: setup ## Format check, lint, types, direction of imports
	@$(RUN) ruff format --check --quiet . || { echo "Run 'make fmt'." >&2; exit 1; }
	@$(RUN) ruff check .
	@$(RUN) mypy crds collector operator charts/observability charts/chart_values tests
	@$(RUN) lint-imports

.PHONY: verify
verify: lint generate ## lint, generate, and fail if what is generated was stale
	@git diff --exit-code --stat -- $(GENERATED) uv.lock || { echo "Generated files were stale; commit them." >&2; exit 1; }
	@$(UV) lock --check --quiet

.PHONY: clean
clean: ## Remove what make put into this folder
	rm -rf .venv $(TOOLS) .cache $(MINISTACK)/.venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
