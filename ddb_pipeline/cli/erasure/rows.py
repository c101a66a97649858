"""Takes the rows of one item out of the content of one object. Pure.

Whatever cannot be read is kept as it is, and counted: erasing must not lose what is somebody else's. So are rows of
another table with the same key. What names no table is the item's: whose else it might be, nobody could tell.
"""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.erasure.keys import Comparable, Item, key_of, key_of_text, needle, traces

Kind = Literal["rows", "failures", "export"]
"""Change rows (of raw objects and baselines); records that could not be delivered; items of an export."""

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_PARQUET_COLUMNS = {"item_key", "table_name", "changed_at_us", "event_name"}
_SMALLEST_MICROSECONDS = 10**14
"""Times below are in milliseconds: 10**14 microseconds are in 1973, as many milliseconds in 5138."""
Decision = Literal["keep", "take", "unsure"]


@dataclass(frozen=True)
class Taken:
    """What taking an item out of an object comes to.

    Attributes:
        rows: Rows that were taken.
        left: Rows that stay; not counted where none were taken.
        body: The content without them, which may be of no rows; None: nothing was taken.
        unsure: Rows that cannot be read and hold something that looks like the key; they stay.
        uncertain: Of the rows taken, those with `state_certain` false (baselines).
        newest: Time and name of the newest change taken, epoch microseconds; None: what was taken tells none.
        others: Rows with the item's key that are of other tables, by table; they stay.
    """

    rows: int
    left: int
    body: bytes | None = None
    unsure: int = 0
    uncertain: int = 0
    newest: tuple[int, str] | None = None
    others: Mapping[str, int] = field(default_factory=dict)


class Line(NamedTuple):
    """What a line is.

    Attributes:
        decision: Whether it is of the item, but for its table.
        change: Time and name of its change.
        table: The table that it names.
    """

    decision: Decision
    change: tuple[int, str] | None = None
    table: str | None = None


NOTHING = Taken(0, 0)
_KEPT = Line("keep")


def take(body: bytes, kind: Kind, item: Item, held: str | None = None) -> Taken:
    """Take an item out of an object.

    Args:
        body: The content, as it lies in S3.
        kind: What the object holds.
        item: The item.
        held: Table whose items the object holds, where the lines do not name it; None: it is not known.

    Raises:
        UserError: It is Parquet, and pyarrow is not installed.
        UnreadableError: It is neither text lines, gzip of such, nor Parquet.
    """
    if body.startswith(_PARQUET):
        return _take_from_parquet(body, item)
    packed = body.startswith(_GZIP)
    try:
        text = gzip.decompress(body) if packed else body
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(str(error)) from error
    # most objects hold nothing of the item, and looking for some letters is far quicker than reading JSON; what could
    # not be delivered lies in base64
    sought = None if kind == "failures" else needle(item.key)
    if sought is not None and sought not in text:
        return NOTHING
    decide = _DECIDE[kind]
    kept, newest, rows, unsure = [], None, 0, 0
    others: Counter[str] = Counter()
    # not splitlines: a text may hold what other rules take for the end of a line
    lines = text.split(b"\n")
    for line in lines:
        may_be = sought in line if sought is not None else bool(line.strip())
        decision, change, named = decide(line, item.key) if may_be else _KEPT
        table = named or held or item.table
        if decision == "take" and table == item.table:
            rows += 1
            newest = max(newest, change) if newest and change else newest or change
            continue
        others[table] += decision == "take"
        unsure += decision == "unsure"
        kept.append(line)
    left = sum(bool(line.strip()) for line in kept)
    if not rows:
        return Taken(0, left, unsure=unsure, others=+others)
    text = b"\n".join(kept) if left else b""
    return Taken(rows, left, gzip.compress(text, mtime=0) if packed else text, unsure, newest=newest, others=+others)


class UnreadableError(Exception):
    """An object is not what its place says."""


def _take_from_parquet(body: bytes, item: Item) -> Taken:
    if importlib.util.find_spec("pyarrow") is None:
        raise UserError(
            "the package pyarrow is not installed, which rewrites Parquet: pip install -c constraints.txt -e '.[erase]'"
        )
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(body))
        table = file.read()
    except (OSError, pa.ArrowException) as error:
        raise UnreadableError(str(error)) from error
    if missing := _PARQUET_COLUMNS - set(table.column_names):
        raise UnreadableError(f"it has no column {min(missing)}")
    same_key = [key_of_text(text) == item.key for text in table["item_key"].to_pylist()]
    tables = [_name(name) or item.table for name in table["table_name"].to_pylist()]
    hits = [same and name == item.table for same, name in zip(same_key, tables, strict=True)]
    others = Counter(name for same, name in zip(same_key, tables, strict=True) if same and name != item.table)
    if not any(hits):
        return Taken(0, len(hits), others=others)
    gone = table.filter(pa.array(hits))
    kept = table.filter(pa.array([not hit for hit in hits]))
    changes = list(zip(gone["changed_at_us"].to_pylist(), gone["event_name"].to_pylist(), strict=True))
    certain = gone["state_certain"].to_pylist() if "state_certain" in gone.column_names else []
    newest = max(((int(at), str(name)) for at, name in changes if at is not None), default=None)
    uncertain = sum(one is False for one in certain)
    sink = pa.BufferOutputStream()
    # as it was packed before: Athena reads every codec, but sizes and costs are somebody's expectation
    codec = str(file.metadata.row_group(0).column(0).compression).lower()
    parquet.write_table(kept, sink, compression="none" if codec == "uncompressed" else codec)
    body = sink.getvalue().to_pybytes()
    return Taken(len(changes), kept.num_rows, body, uncertain=uncertain, newest=newest, others=others)


def _of_row(line: bytes, key: Comparable) -> Line:
    row = _object(line)
    found = None if row is None else key_of_text(row.get("item_key"))
    if row is None or found is None:
        return _unread(line, key)
    if found != key:
        return _KEPT
    return Line("take", _change(row), _name(row.get("table_name")))


def _of_failure(line: bytes, key: Comparable) -> Line:
    """A record that could not be delivered (firehose/latest/dev/data-transformation-failure-handling.html).

    It is the change record itself, or the row that was made of it when that could not become Parquet.
    """
    document = _object(line)
    try:
        raw = base64.b64decode(str((document or {})["rawData"]), validate=True)
    except (KeyError, ValueError):
        return _unread(line, key)
    record = _object(raw)
    inner = None if record is None else record.get("dynamodb")
    found = key_of(inner.get("Keys")) if isinstance(inner, dict) else None
    if found is None and record is not None:
        found = key_of_text(record.get("item_key"))
    if record is None or found is None:
        return _unread(raw, key)
    if found != key:
        return _KEPT
    table = _name(record.get("tableName")) or _name(record.get("table_name"))
    return Line("take", _change_of_record(record) or _change(record), table)


def _of_export(line: bytes, key: Comparable) -> Line:
    """An item of an export (developerguide/S3DataExport.Output.html)."""
    document = _object(line)
    item = None if document is None else document.get("Item")
    if not isinstance(item, dict):
        return _unread(line, key)
    found = key_of({name: item[name] for name in key if name in item})
    return Line("take") if found == key else _KEPT


_DECIDE: Mapping[Kind, Callable[[bytes, Comparable], Line]] = {
    "rows": _of_row,
    "failures": _of_failure,
    "export": _of_export,
}


def _unread(content: bytes, key: Comparable) -> Line:
    """What is no record cannot be told to be the item's; what looks like its key is worth a look by a person."""
    return Line("unsure") if any(trace in content for trace in traces(key)) else _KEPT


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _change(row: Mapping[str, Any]) -> tuple[int, str] | None:
    at = row.get("changed_at_us")
    return (at, str(row.get("event_name"))) if isinstance(at, int) else None


def _change_of_record(record: Mapping[str, Any]) -> tuple[int, str] | None:
    """Time, in epoch microseconds, and name of a change as DynamoDB records it: in microseconds or milliseconds."""
    inner = record.get("dynamodb")
    at = inner.get("ApproximateCreationDateTime") if isinstance(inner, dict) else None
    if not isinstance(at, int):
        return None
    return (at if at >= _SMALLEST_MICROSECONDS else at * 1_000), str(record.get("eventName"))


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
