"""A run worker: a process of its own that runs the refresh job, so that it can be killed."""

from __future__ import annotations

import multiprocessing
import os
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path

from dagster import DagsterInstance

from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline_tests.jobs import with_the_state_alone


def start_worker(pipeline: str, declaration: Path, home: Path, environment: dict[str, str]) -> BaseProcess:
    """Start a process that runs the refresh job of a pipeline once.

    Args:
        pipeline: Its name.
        declaration: Where it is declared.
        home: Directory of the Dagster instance.
        environment: Settings of the stage.
    """
    # forked from a process that has imported Dagster once, and has no threads
    worker = _context().Process(target=_work, args=(pipeline, str(declaration), str(home), environment))
    worker.start()
    return worker


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _work(pipeline: str, declaration: str, home: str, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    declared = load_declaration(Path(declaration))
    loaded = build_definitions(declared).get_repository_def()
    job = with_the_state_alone(loaded, f"{pipeline}_refresh", declared.pipelines[pipeline])
    with DagsterInstance.local_temp(home) as instance:
        job.execute_in_process(instance=instance, raise_on_error=False)
