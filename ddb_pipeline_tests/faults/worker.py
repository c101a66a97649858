"""A run worker: a process of its own that runs a job, or some steps of it, so that it can be killed."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path

from dagster import AssetKey, DagsterInstance, JobDefinition, RepositoryDefinition

from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.definitions import build_definitions


@dataclass(frozen=True)
class Work:
    """What a worker does.

    Attributes:
        job: Name of the job.
        declaration: Where its pipeline is declared.
        home: Directory of the Dagster instance, with its dagster.yaml.
        environment: Settings of the stage.
        assets: Assets of the pipeline whose steps and checks run, and no others; empty: all of the job.
        tags: Tags of the run.
    """

    job: str
    declaration: Path
    home: Path
    environment: dict[str, str]
    assets: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


def start_worker(work: Work) -> BaseProcess:
    """Start a process that does this once."""
    worker = _context().Process(target=_do, args=(work,))
    worker.start()
    return worker


@cache
def loaded(declaration: Path) -> RepositoryDefinition:
    """Everything that a declaration defines."""
    return build_definitions(load_declaration(declaration)).get_repository_def()


def with_these_assets_alone(job: JobDefinition, pipeline: str, assets: tuple[str, ...]) -> JobDefinition:
    """The steps of a job that make these assets, with their checks: what a run that comes again has left to do."""
    chosen = {AssetKey([pipeline, name]) for name in assets}
    checks = {key for key in job.asset_layer.asset_graph.asset_check_keys if key.asset_key in chosen}
    subset = job.get_subset(asset_selection=chosen, asset_check_selection=checks)
    assert isinstance(subset, JobDefinition)
    return subset


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    # each worker is forked from one process, which has no threads and has loaded everything
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "ddb_pipeline_tests.faults.before_work"])
    return context


def _do(work: Work) -> None:
    os.environ.update(work.environment)
    job = loaded(work.declaration).get_job(work.job)
    if work.assets:
        job = with_these_assets_alone(job, work.job.partition("_")[0], work.assets)
    with DagsterInstance.from_config(str(work.home)) as instance:
        job.execute_in_process(instance=instance, raise_on_error=False, tags=work.tags)
