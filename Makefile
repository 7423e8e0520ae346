# The commands that docs, CI and people rely on. `make` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
IMAGE ?= headgate
CHECKOV := $(VENV)/checkov/bin/checkov
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
TERRAFORM ?= terraform
export TERRAFORM

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/local  ## run everything here: PostgreSQL, migrations, gunicorn; prints a curl to try
	@exec $(BIN)/python -m service run

.PHONY: fullbay
fullbay: $(VENV)/local  ## a Fullbay that is none, to try ingestion without credentials; prints the commands to paste
	@exec $(BIN)/python -m tests.fullbay $(ARGS)

.PHONY: partner
partner: $(VENV)/local  ## a partner that is none, to try exports without credentials; prints the commands to paste
	@exec $(BIN)/python -m tests.partner $(ARGS)

.PHONY: test
test: $(VENV)/dev  ## the whole test suite, on a real PostgreSQL, in as many processes as there are cores (at most 4)
	$(BIN)/python -m pytest -n logical --maxprocesses 4 $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/dev  ## schemathesis with 200 examples an operation, over both transports (the suite sends fewer)
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-200} $(BIN)/python -m pytest tests/contract $(ARGS)

.PHONY: soak
soak: $(VENV)/dev  ## thousands of runs while everything goes wrong (the suite has hundreds); SEEDS=20000 takes longer
	FAULT_SEEDS=$${SEEDS:-2000} $(BIN)/python -m pytest tests/ingestion/test_random_faults.py \
		tests/exports/test_random_faults.py $(ARGS)

.PHONY: check
check: $(VENV)/dev $(CHECKOV)  ## format, lint, types, schemas, Terraform, scripts and workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m service routes --check
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml tests/docker/compose.emulator.yaml
	$(TERRAFORM) fmt -check -recursive terraform
	$(BIN)/shellcheck --external-sources --source-path=SCRIPTDIR $(filter-out %/scram,$(wildcard .github/scripts/*))
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet .github
	@said=$$(HCL_PARSE_TIMEOUT_SEC=0 $(CHECKOV) --directory terraform --skip-download --quiet --compact); code=$$?; \
	echo "$$said"; case "$$said" in *"Parsing errors"*) exit 1 ;; esac; exit $$code

.PHONY: routes
routes: $(VENV)/dev  ## write the route table for Terraform and docs/openapi.json from the app
	@$(BIN)/python -m service routes --write

.PHONY: format
format: $(VENV)/dev  ## rewrite the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(VENV)/image  ## benchmarks beside their floors and peers, as one table
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: image
image:  ## build the image that runs in Docker and on Lambda
	docker build --network host $(if $(PLATFORM),--platform $(PLATFORM)) --tag $(IMAGE) --build-arg COMMIT=$(COMMIT) --file Dockerfile.api-handler .

.PHONY: up
up: image  ## start the image with its database in Docker, on port 8080
	docker compose version >/dev/null 2>&1 && c="docker compose" || c=docker-compose; \
	$$c --project-name headgate --file docker/compose.yaml up

# What follows deploys: docs/deploying.md. It needs ENVIRONMENT, AWS_REGION and STATE_BUCKET, and credentials for AWS.
publish release smoke: export COMMIT := $(COMMIT)

.PHONY: bootstrap
bootstrap:  ## once an account: the bucket of Terraform's state, and GitHub as an identity provider
	@.github/scripts/bootstrap

.PHONY: infrastructure
infrastructure:  ## phase 1: network, registry, database and its users, identity, lake, queues, roles
	@.github/scripts/infrastructure

.PHONY: publish
publish:  ## phase 2: build and push this commit's image, once; prints its digest
	@.github/scripts/publish

.PHONY: release
release:  ## phase 3: DIGEST=sha256:... becomes a version, migrates, serves, and is taken back where it does not
	@.github/scripts/release

.PHONY: smoke
smoke:  ## ask what is live whether it serves, through API Gateway; COMMIT= where it may be any commit
	@.github/scripts/smoke

.PHONY: plan
plan:  ## what Terraform would change, without a lock; fails where that is something
	@.github/scripts/plan

.PHONY: rollback
rollback:  ## the version that served before serves again, or VERSION=6
	@.github/scripts/rollback

.PHONY: teardown
teardown:  ## take ENVIRONMENT down, with its data; CONFIRM has to be its name
	@.github/scripts/teardown

.PHONY: costs
costs: $(VENV)/dev  ## write the table of terraform/README.md: what an idle environment costs
	@$(BIN)/python terraform/costs.py

.PHONY: rehearse
rehearse: $(VENV)/dev  ## the whole deployment on this machine: Terraform, image, database, gateway; and what goes wrong
	$(BIN)/python -m tests.rehearsal $(ARGS)

.PHONY: lock
lock: $(VENV)/dev  ## write the lock files anew from requirements*.in
	$(LOCK) --upgrade requirements.in -o requirements.txt
	$(LOCK) --upgrade requirements-image.in -o requirements-image.txt
	$(LOCK) --upgrade requirements-local.in -o requirements-local.txt
	$(LOCK) --upgrade --no-deps requirements-docs.in -o requirements-docs.txt
	$(LOCK) --upgrade requirements-dev.in -o requirements-dev.txt
	$(LOCK) --upgrade requirements-checkov.in -o requirements-checkov.txt

.PHONY: clean
clean:  ## remove the virtual environment and the caches (data in .data stay)
	rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Headgate needs Python 3.11 or newer: make PYTHON=python3.13 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/local: $(VENV)/bin/python requirements.txt requirements-local.txt requirements-docs.txt
	$(PIP_INSTALL) -r requirements.txt -r requirements-local.txt
	$(PIP_INSTALL) --no-deps -r requirements-docs.txt
	@touch $@

$(VENV)/dev: $(VENV)/local requirements-dev.txt
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

# Needs a C compiler.
$(VENV)/image: $(VENV)/dev requirements-image.txt
	$(PIP_INSTALL) -r requirements-image.txt
	@touch $@

# In an environment of its own: it pins versions that exclude ours.
$(CHECKOV): requirements-checkov.txt
	$(PYTHON) -m venv $(VENV)/checkov
	$(VENV)/checkov/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-checkov.txt
	@touch $@
