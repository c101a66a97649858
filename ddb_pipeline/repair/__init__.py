"""The repair of a pipeline: finds what is not as it should be, and brings it back.

The stack's contract says how tables are, S3 which hours and baselines there are, `pipeline.toml` and the SQL files what
the views are. So everything in the Glue catalog can be made again. What S3 itself has lost cannot: that is said, with
what still holds it. Two callers: the job `<pipeline>_repair`, and `ddb-pipeline repair`.
"""
