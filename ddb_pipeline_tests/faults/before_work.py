"""What every run worker has to load first: loaded once, by the process that they are forked from (see `worker`).

Importing this takes seconds; a run that is killed at its first request would spend most of its time on it. Nobody else
imports it.
"""

from __future__ import annotations

import os
import tempfile
import threading
from functools import cache
from pathlib import Path

import boto3
import botocore.session
from dagster import DagsterInstance, job, op

from ddb_pipeline.cli import local_stack
from ddb_pipeline_tests.faults.worker import loaded

TESTS = Path(__file__).parents[1]


@op
def nothing() -> None:
    """Do nothing."""


@job
def idle() -> None:
    """Do nothing, as a run."""
    nothing()


# a session of boto3 reads megabytes of service models, and each worker makes its own
botocore.session.create_loader = cache(botocore.session.create_loader)
os.environ.update(local_stack.environment("http://127.0.0.1:9"))
for service in ("athena", "cloudwatch", "dynamodb", "glue", "kinesis", "lambda", "s3", "ssm", "sts"):
    boto3.session.Session().client(service)
for declaration in ("pipelines.toml", "baselines.toml"):
    loaded(TESTS / declaration)
# Dagster imports much at its first run only
quietly = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
with tempfile.TemporaryDirectory() as home, DagsterInstance.local_temp(home) as instance:
    idle.execute_in_process(instance=instance, run_config=quietly)
assert threading.active_count() == 1, "a process with threads must not be forked"
