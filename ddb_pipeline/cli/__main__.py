"""`python -m ddb_pipeline.cli`: the command where its script is not on the path."""

from ddb_pipeline.cli import main

main(prog_name="ddb-pipeline")
