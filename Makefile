# Thin on purpose: each target is one line of intent. `make` alone lists them.
# All of it runs in .venv, which is made when it is first needed.
export PYTHON
.PHONY: help demo dev test lint synth bench
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
	@$(bin)/pytest -n 2 --dist loadgroup -q

lint: ## check style and types
	$(environment) infra,local,test
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy

synth: ## write the CloudFormation templates of all stages to cdk.out
	$(environment) infra
	@$(bin)/python -m infra_cdk.app

bench: ## run the benchmarks
	$(environment) infra,local,test
	@$(bin)/python -m ddb_pipeline_tests.benchmarks
