"""Orchestrates with Dagster what `infra_cdk` provisions: arrivals, crawls and the Athena views."""
