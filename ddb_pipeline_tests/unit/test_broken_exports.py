"""What becomes of an export that a run made no baseline of: the next one finishes it, or never looks at it again."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from ddb_pipeline.baseline_making import export as exporting
from ddb_pipeline.baseline_making import making
from ddb_pipeline.baseline_making.making import Making
from ddb_pipeline.baselines import EXPORTED_PREFIX, moment_of
from ddb_pipeline.baselines.captures import Sight, next_capture
from ddb_pipeline.baselines.records import Manifest, Pending, microseconds
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.settings import Connection
from ddb_pipeline.resources.table_export import BaselineConverter, Export, TableExport
from ddb_pipeline.resources.testing.fake_client import refusal
from ddb_pipeline_tests.declared import NAMES, pipeline

FIRST = datetime(2026, 11, 1, 3, tzinfo=UTC)
FILE = {"itemCount": 2, "md5Checksum": "x", "dataFileS3Key": "exports/data/one.json.gz"}


class _GoneError(Exception):
    pass


class Store:
    """Baselines in the place of `BaselineStore`, and the export's files."""

    bucket = "raw"
    s3 = SimpleNamespace(exceptions=SimpleNamespace(NoSuchKey=_GoneError))

    def __init__(self) -> None:
        sight = Sight(NAMES.table, "id", NAMES.change_stream, True, microseconds(FIRST - timedelta(days=30)))
        self._capture: Any = next_capture(None, sight)
        self.notes: dict[str, Pending] = {}
        self.manifests_: list[Manifest] = []
        self.rows: set[str] = set()
        self.texts = {"summary": json.dumps({"manifestFilesS3Key": "files"}), "files": json.dumps(FILE)}

    def register_manifests(self) -> tuple[str, ...]:
        return ()

    finish_retirements = register_manifests

    def capture(self) -> Any:
        return self._capture

    def note_capture(self, capture: Any) -> None:
        self._capture = capture

    def manifests(self) -> list[Manifest]:
        return self.manifests_

    manifests_of_all_tables = manifests

    def pending(self) -> list[Pending]:
        return list(self.notes.values())

    def note(self, pending: Pending) -> None:
        self.notes[pending.baseline_id] = pending

    def publish(self, manifest: Manifest) -> None:
        self.manifests_.append(manifest)
        self.abandon(manifest.baseline_id)

    def abandon(self, baseline_id: str) -> None:
        del self.notes[baseline_id]

    def exported_keys(self, _baseline_id: str) -> set[str]:
        return self.rows

    def register_exported_items(self, _baseline_id: str) -> None:
        """They are in the catalog."""

    def files(self, _baseline_id: str) -> tuple[()]:
        return ()

    def read_text(self, key: str) -> str:
        if key not in self.texts:
            raise _GoneError
        return self.texts[key]


class Table:
    """DynamoDB's and Lambda's clients: exports that complete at once, and the function that converts."""

    exceptions = SimpleNamespace(ExportNotFoundException=_GoneError, PointInTimeRecoveryUnavailableException=ValueError)

    def __init__(self, place: Place) -> None:
        self.place = place
        self.exports: list[datetime] = []
        self.items, self.is_known, self.invoked = 2, True, 0
        self.answer: Callable[[], dict[str, Any]] = dict

    def describe_table(self, **_table: str) -> dict[str, Any]:
        return {"Table": {"TableId": "id", "TableArn": "table"}}

    def describe_kinesis_streaming_destination(self, **_table: str) -> dict[str, Any]:
        stream = {"StreamArn": f"stream/{NAMES.change_stream}", "DestinationStatus": "ACTIVE"}
        return {"KinesisDataStreamDestinations": [stream]}

    def export_table_to_point_in_time(self, **_asked: str) -> dict[str, Any]:
        self.exports.append(self.place.now)
        return self.describe_export(str(len(self.exports) - 1))

    def describe_export(self, ExportArn: str) -> dict[str, Any]:  # noqa: N803
        if not self.is_known:
            raise _GoneError
        described = {"ExportStatus": "COMPLETED", "ExportManifest": "summary", "ItemCount": self.items}
        moment = self.exports[int(ExportArn)]
        return {"ExportDescription": {"ExportArn": ExportArn, "ExportTime": moment, "TableId": "id", **described}}

    def invoke(self, **_asked: Any) -> dict[str, Any]:
        self.invoked += 1
        answered = self.answer()
        error = {"FunctionError": "Unhandled"} if "errorType" in answered else {}
        return {"Payload": io.BytesIO(json.dumps(answered).encode()), **error}


class Place:
    """A pipeline with baselines from exports, as far as their making asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.store = FIRST, Store()
        self.table = Table(self)
        counted = SimpleNamespace(rows=((2, 2, 0, 0),), query_id="counted", data_scanned_in_bytes=0)
        written = SimpleNamespace(query_id="wrote", rows_written=2, bytes_scanned=0)
        self.deployment: Any = SimpleNamespace(
            baselines=self.store,
            names=NAMES,
            pipeline=pipeline(baseline="export"),
            stage=SimpleNamespace(baseline_margin_seconds=3600, stream_retention_hours=24),
            table_export=TableExport(self.table, NAMES),
            baseline_converter=BaselineConverter(self.table, "function"),
            statement_runs=SimpleNamespace(start=lambda *_: "wrote", wait=lambda *_: written),
            athena=SimpleNamespace(execute=lambda _: counted),
            raw_bucket=None,
        )
        monkeypatch.setattr(making, "first_hour_with", lambda *_: self.now)
        monkeypatch.setattr(making, "ids_in_views", lambda *_: set())
        self.lines: list[str] = []

    def run(self, days: float = 0) -> Manifest:
        self.now += timedelta(days=days)
        return Making(self.deployment, note=self.lines.append, clock=lambda: self.now).run().manifest


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(monkeypatch)


def spoil(place: Place, how: str) -> None:
    if how == "damaged file":
        place.table.answer = lambda: {"errorType": "ExportError", "errorMessage": "the file's MD5 is y"}
    elif how == "file gone":
        place.table.answer = lambda: {"errorType": "NoSuchKey", "errorMessage": "The specified key does not exist."}
    elif how == "counts":
        place.table.items = 3
    elif how == "manifest gone":
        del place.store.texts["files"]
    elif how == "manifest damaged":
        place.store.texts["files"] = "<html>"
    else:
        place.store.note(
            Pending("earlier", "export", 0, 0, microseconds(FIRST), 0, None, 1, export_arn="0", table=NAMES.table)
        )
        place.table.exports.append(FIRST)
        place.table.is_known = False


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("damaged file", "could not convert exports/data/one.json.gz: the file's MD5 is y: run the job again, which"),
        ("file gone", "The specified key does not exist.: run the job again, which makes a new export"),
        ("counts", "its files hold 2 items, and DynamoDB says 3: run the job again, which makes a new export"),
        ("manifest gone", "the files of export 0 are gone from s3://raw: run the job again, which makes a new export"),
        ("manifest damaged", "the manifest of export 0 cannot be read"),
        ("unknown", "DynamoDB does not know export 0 any more: run the job again"),
    ],
)
def test_after_an_export_that_nothing_will_ever_come_of_the_next_run_makes_a_new_one(place: Place, how: str, said: str):
    spoil(place, how)
    with pytest.raises(PipelineError, match=said):
        place.run()
    assert place.store.pending() == []

    mended = Store()
    place.store.texts, place.table.items, place.table.is_known = mended.texts, 2, True
    place.table.answer = dict

    assert moment_of(place.run(days=0.1).as_of_us) == place.now
    assert place.table.exports == [FIRST, place.now]


def test_after_a_failure_that_passes_the_next_run_goes_on_with_the_export(place: Place):
    place.table.answer = lambda: {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "Task timed out after 900.00 seconds",
    }
    with pytest.raises(PipelineError, match=r"timed out .*: run the job again, which goes on with this export"):
        place.run()
    place.table.answer = dict

    assert moment_of(place.run(days=1).as_of_us) == FIRST
    assert place.table.exports == [FIRST]


def test_an_export_that_broke_off_long_ago_does_not_become_the_newest_baseline(place: Place):
    place.table.answer = lambda: {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "Task timed out after 900.00 seconds",
    }
    with pytest.raises(PipelineError):
        place.run()
    place.table.answer = dict

    assert moment_of(place.run(days=7).as_of_us) == place.now
    assert place.lines.count("cleared away what was left of baseline 20261101T030000000000Z-3600s-export") == 1


# --- an answer that is lost


def convert(place: Place) -> None:
    export = Export("arn", microseconds(FIRST), "id", "summary", 2)
    exporting.convert_export(place.deployment, "id", export, place.lines.append)


def lost(place: Place, *, is_written: bool) -> None:
    def answer() -> dict[str, Any]:
        place.table.answer = dict
        if is_written:
            place.store.rows.add(f"{EXPORTED_PREFIX}baseline_id=id/one.json.gz")
        raise ReadTimeoutError(endpoint_url="https://lambda")

    place.table.answer = answer


@pytest.mark.parametrize(("is_written", "invoked"), [(True, 1), (False, 2)])
def test_a_file_whose_answer_is_lost_is_converted_again_only_if_its_rows_are_not_there(
    place: Place, is_written: bool, invoked: int
):
    lost(place, is_written=is_written)

    convert(place)

    assert place.table.invoked == invoked


def test_a_function_that_is_throttled_is_waited_for(place: Place):
    refusals = [refusal("TooManyRequestsException", "Rate Exceeded.")]

    def answer() -> dict[str, Any]:
        if refusals:
            raise refusals.pop()
        return {}

    place.table.answer = answer

    convert(place)

    assert place.table.invoked == 2
    assert "one.json.gz is tried again: " in place.lines[-1]
    assert "TooManyRequestsException: Rate Exceeded." in place.lines[-1]


def test_the_function_is_asked_once_over_a_connection_that_stays_known_on_the_way():
    """boto3 would invoke it again, 910 s later, whatever became of the first."""
    connection = Connection("eu-central-1", "http://127.0.0.1:1", None, "key", "secret", None)
    deployment: Any = SimpleNamespace(settings=SimpleNamespace(connection=connection), names=NAMES)

    config = Deployment.baseline_converter.fget(deployment).client.meta.config  # type: ignore[attr-defined]

    assert (config.retries["total_max_attempts"], config.tcp_keepalive) == (1, True)
    assert config.read_timeout > 900
