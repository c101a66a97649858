# Thin on purpose: each target is one line of intent. `make` alone lists them.
# All of it runs in .venv, which is made when it is first needed.
export PYTHON
.PHONY: help demo dev test prove lint synth bootstrap deploy diff destroy verify-aws bench
.DEFAULT_GOAL := help

environment = @sh tools/environment.sh
bin = .venv/bin

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 17

demo: ## run the whole path on this machine, once, and print the answers
	$(environment) infra,local
	@$(bin)/ddb-pipeline demo

dev: ## local AWS with live traffic and the Dagster UI at http://localhost:3000, until Ctrl-C
	$(environment) infra,local
	@$(bin)/ddb-pipeline dev

test: ## run all tests
	$(environment) infra,local,test
	@$(bin)/pytest -n 4 --dist loadfile --no-loadscope-reorder -q

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

named = @test -n "$(STAGE)" || { echo "Say which stage: make $@ STAGE=dev"; exit 2; }

bootstrap: ## once for an account and region, before the first deploy: make bootstrap STAGE=dev
	$(named)
	$(environment) infra
	@$(bin)/ddb-pipeline bootstrap --stage $(STAGE) $(OPTIONS)

deploy: ## create or update a stage on AWS, see a change arrive, write .env: make deploy STAGE=dev OPTIONS='...'
	$(named)
	$(environment) infra
	@$(bin)/ddb-pipeline deploy --stage $(STAGE) $(OPTIONS)

diff: ## say what `make deploy` would change: make diff STAGE=dev
	$(named)
	$(environment) infra
	@$(bin)/ddb-pipeline diff --stage $(STAGE) $(OPTIONS)

destroy: ## take a stage away again; asks: make destroy STAGE=dev
	$(named)
	$(environment) infra
	@$(bin)/ddb-pipeline destroy --stage $(STAGE) $(OPTIONS)

verify-aws: ## use a stage on AWS for up to an hour and a half, compare, report, destroy it: make verify-aws STAGE=verify
	$(named)
	$(environment) infra
	@$(bin)/ddb-pipeline verify --stage $(STAGE) $(OPTIONS)

bench: ## run the benchmarks
	$(environment) infra,local,test
	@$(bin)/python -m ddb_pipeline_tests.benchmarks
