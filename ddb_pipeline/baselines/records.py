"""What is written down about baselines in S3: manifests, and baselines that are being made."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from ddb_pipeline.baselines import EPOCH, Baseline, BaselineSource, moment_of

FORMAT = 1
_EXPORT_BLUR_US = 60_000_000  # developerguide/S3DataExport.HowItWorks.html: "may vary by up to one minute"


class RecordError(ValueError):
    """A JSON object does not hold what this version of the project writes."""


@dataclass(frozen=True)
class StoredFile:
    """An object of a baseline's data, by which a later change or loss of it is noticed."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True)
class Manifest:
    """A complete, verified baseline, with where it came from. Written once: only an erasure changes it.

    Attributes:
        baseline_id: Its id, the value of the partition column.
        source: A DynamoDB export, or a snapshot of our own state.
        as_of_us: The moment T, epoch microseconds.
        margin_us: What lies between the cut and T, microseconds; nothing for a snapshot, which was taken this late.
        read_at_us: Raw objects stored since then may not have been read (snapshot); epoch microseconds.
        made_at_us: When it was verified.
        rows: Items.
        uncertain: ... of them with `state_certain` false.
        parent: Id of the baseline that a snapshot started from; None: from the first change, or from an export.
        table: Name of the table.
        table_id: DynamoDB's id of the table: another table of the same name has another one.
        capture: Number of the capture of changes that it rests on (`Capture.number`).
        export_arn: The export; None for a snapshot.
        queries: Athena's ids of the queries, by what each did.
        bytes_scanned: What the queries scanned.
        seconds: How long the making took.
        files: The data.
        heals: Ids of baselines that lack changes or data which this one has: no state starts from them any more.
        first_hour_us: When the first hour of arrival begins that held changes since the cut, epoch microseconds; None:
            as a rule (`Baseline.first_hour`).
    """

    baseline_id: str
    source: BaselineSource
    as_of_us: int
    margin_us: int
    read_at_us: int
    made_at_us: int
    rows: int
    uncertain: int
    parent: str | None
    table: str
    table_id: str
    capture: int
    export_arn: str | None
    queries: dict[str, str]
    bytes_scanned: int
    seconds: float
    files: tuple[StoredFile, ...] = ()
    heals: tuple[str, ...] = ()
    first_hour_us: int | None = None

    @property
    def baseline(self) -> Baseline:
        """What the views need of it."""
        return Baseline(self.baseline_id, self.source, self.as_of_us, self.margin_us, self.first_hour_us)

    @property
    def cut_us(self) -> int:
        """T minus the margin."""
        return self.as_of_us - self.margin_us

    @property
    def settled_us(self) -> int:
        """The first moment whose state it may serve: an export may hold what changed up to a minute after T."""
        return self.as_of_us + (_EXPORT_BLUR_US if self.source == "export" else 0)

    def to_json(self) -> str:
        """The object in S3."""
        return to_json_object(self)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read the object.

        Raises:
            RecordError: It is of another format.
        """
        values = values_of(cls, text)
        files = tuple(StoredFile(**found) for found in values["files"])
        return cls(**{**values, "files": files, "heals": tuple(values["heals"])})


@dataclass(frozen=True)
class Pending:
    """A baseline that is being made: enough to find its export or query again after a crash.

    Attributes:
        baseline_id: Its id; also the client token of the export.
        source: A DynamoDB export, or a snapshot of our own state.
        as_of_us: The moment T; for an export not known until DynamoDB has named it.
        margin_us: What lies between the cut and T, microseconds.
        started_at_us: When the making began.
        read_at_us: Raw objects stored before then are read by a snapshot.
        parent: Id of the baseline that a snapshot starts from.
        capture: Number of the capture of changes that it rests on.
        lacking: Ids of baselines that were found to lack changes or data, which this one will have.
        export_arn: The export, once DynamoDB has accepted it.
        query_id: The query that writes the data, once Athena has accepted it.
        table: Name of the table; empty: an older version began it.
    """

    baseline_id: str
    source: BaselineSource
    as_of_us: int
    margin_us: int
    started_at_us: int
    read_at_us: int
    parent: str | None
    capture: int
    lacking: tuple[str, ...] = ()
    export_arn: str | None = None
    query_id: str | None = None
    table: str = ""

    def to_json(self) -> str:
        """The object in S3."""
        return to_json_object(self)

    @classmethod
    def from_json(cls, text: str) -> Pending:
        """Read the object.

        Raises:
            RecordError: It is of another format.
        """
        values = values_of(cls, text)
        return cls(**{**values, "lacking": tuple(values["lacking"])})


def baseline_id(moment_us: int, margin_us: int, source: BaselineSource) -> str:
    """Return the id of a baseline: sorts by moment, is fit for a path in S3, and tells SQL where the cut is.

    Args:
        moment_us: When it was begun, epoch microseconds.
        margin_us: Its margin, whole seconds in microseconds.
        source: Where it comes from.
    """
    return f"{moment_of(moment_us):%Y%m%dT%H%M%S%f}Z-{margin_us // 1_000_000}s-{source}"


def microseconds(moment: datetime) -> int:
    """Return a moment, which has a time zone, as epoch microseconds."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def to_json_object(record: Any) -> str:
    """Return a record, which is a dataclass, as the text of its object in S3."""
    return json.dumps({"format": FORMAT, **asdict(record)}, indent=1)


def values_of(kind: type[Any], text: str) -> dict[str, Any]:
    """Return the values of a record as JSON has them, with defaults for what an older version did not write.

    Args:
        kind: The record's dataclass.
        text: The object in S3.

    Raises:
        RecordError: It is of another format.
    """
    try:
        values = json.loads(text)
    except ValueError:
        raise RecordError(f"is not JSON: {text[:80]!r}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise RecordError(f"is not of format {FORMAT}: {text[:80]!r}")
    values = {found.name: found.default for found in fields(kind) if found.default is not MISSING} | values
    missing = [found.name for found in fields(kind) if found.name not in values]
    if missing:
        raise RecordError(f"lacks {', '.join(missing)}")
    return {found.name: values[found.name] for found in fields(kind)}
