"""Runs whose process is killed with SIGKILL in the midst of something, as Dagster sees them and makes up for them.

A worker process runs a job until a request of its has no answer, and dies there. Dagster's own part is played by what
its daemon and the server of its code location call then; the end-to-end test has them do it themselves.
"""

from __future__ import annotations

import logging
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dagster import DagsterInstance, DagsterRunStatus
from dagster._daemon.monitoring.concurrency import execute_concurrency_slots_iteration

from ddb_pipeline.cli import local_stack
from ddb_pipeline.local_aws.testing import Fault, faulty
from ddb_pipeline_tests.conftest import REPOSITORY
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.faults.worker import Work, start_worker


@dataclass(frozen=True)
class Place:
    """Where a run is killed.

    Attributes:
        what: What it is doing there, in words.
        request: The request that has no answer then, as `service.Operation`.
        skip: How many such requests are answered before.
        done: Whether AWS has done what it asks.
        assets: Assets whose steps run; empty: all of the job.
    """

    what: str
    request: str
    skip: int = 0
    done: bool = False
    assets: tuple[str, ...] = ()

    @property
    def fault(self) -> Fault:
        """The fault that holds the answer back."""
        service, _, operation = self.request.partition(".")
        return Fault("stall", service, operation, count=1, skip=self.skip, seconds=120, carried_out=self.done)


@dataclass(frozen=True)
class Killer:
    """Starts runs and kills them.

    Attributes:
        stage: The pipelines on their stage.
        instance: Dagster's instance.
        home: Its directory.
        kept_places: Ids of the runs that died with a place in a pool.
    """

    stage: Deployed
    instance: DagsterInstance
    home: Path
    kept_places: set[str] = field(default_factory=set)

    def kill(self, job: str, place: Place, after: str | None = None) -> str:
        """Run a job in a process of its own, kill that there, and let Dagster find out.

        Args:
            job: Name of the job.
            place: Where.
            after: Id of the run in whose place this one is started; None: of none.

        Returns:
            The run's id.
        """
        environment = local_stack.environment(self.stage.endpoint)
        work = Work(job, self.stage.declaration.path, self.home, environment, place.assets, again(after))
        with faulty(self.stage.endpoint, place.fault) as struck:
            worker = start_worker(work)
            wait_until(lambda: struck() != [0] or not worker.is_alive(), f"the run is there: {place}", pause=0.1)
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
        assert worker.exitcode == -signal.SIGKILL, f"it ended before it was there: {place}"
        killed = self.instance.get_runs(limit=1)[0]
        assert killed.run_id != after
        assert killed.status == DagsterRunStatus.STARTED, "nobody was left to say that it ended"
        self.kept_places.update(self.instance.event_log_storage.get_concurrency_run_ids())
        # what the server of the code location does when a run's process is gone
        self.instance.report_run_failed(killed)
        wait_until(self._has_given_its_places_back, f"places in the pools are free again: {place}", pause=0.2)
        return str(killed.run_id)

    def _has_given_its_places_back(self) -> bool:
        """What the daemon does once a minute; every pool has one place here, so that one more run would wait for it."""
        context: Any = SimpleNamespace(instance=self.instance)
        list(execute_concurrency_slots_iteration(context, logging.getLogger(__name__)))
        return not self.instance.event_log_storage.get_concurrency_run_ids()


def again(run_id: str | None) -> dict[str, str]:
    """Tags of the run that Dagster starts in the place of one that lost its process."""
    return {"dagster/parent_run_id": run_id, "dagster/root_run_id": run_id} if run_id else {}


@contextmanager
def instance_on_disk(home: Path) -> Iterator[DagsterInstance]:
    """An instance that other processes open too: the project's own settings, with one place in a pool instead of four,
    which is free a second after the end of a run that kept it instead of a minute.
    """
    settings = (REPOSITORY / "dagster.yaml").read_text(encoding="utf-8")
    for name, value in (("default_limit", 1), ("free_slots_after_run_end_seconds", 1)):
        settings, changed = re.subn(rf"(?m)^( +{name}:).*$", rf"\1 {value}", settings)
        assert changed == 1, name
    settings = settings.replace("base_dir: .dagster", f"base_dir: {home}/dagster")
    (home / "dagster.yaml").write_text(settings, encoding="utf-8")
    with DagsterInstance.from_config(str(home)) as instance:
        yield instance
