"""The Dagster assets of a pipeline."""
