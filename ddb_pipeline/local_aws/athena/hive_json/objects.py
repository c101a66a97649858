"""S3 objects of Hive JSON tables: each is looked at and parsed once, and kept as Parquet for all later queries.

An object's parse costs far more than the reading of its columns afterwards. A copy is named by the object's ETag and
by the columns it was read for, so it never grows stale. What cannot be kept is read as it is, every time.
"""

# ruff: noqa: S608 - SQL is what this module makes; no text of a user is in it but through casts.text

from __future__ import annotations

import gzip
import hashlib
import os
import re
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ddb_pipeline.local_aws.athena import kept
from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.hive_json import layout
from ddb_pipeline.local_aws.athena.hive_json.layout import Kinds
from ddb_pipeline.local_aws.athena.relations import Table
from ddb_pipeline.local_aws.athena.types import Type, duckdb_type

MAX_THREADS = 4
"""Most objects that are read at once: gzip is read by one thread each."""
_BLOCK_BYTES = 1 << 20
_NOT_AN_OBJECT = "NOT_AN_OBJECT"
# kinds of JSON values that a column of a type reads as Athena's SerDe does
_WHOLE = ("UBIGINT", "BIGINT")
_ACCEPTED: dict[str, tuple[str, ...]] = {
    "tinyint": _WHOLE,
    "smallint": _WHOLE,
    "integer": _WHOLE,
    "bigint": _WHOLE,
    "boolean": ("BOOLEAN",),
    "double": (*_WHOLE, "DOUBLE"),
    # a fraction would pass through a binary number on its way
    "decimal": _WHOLE,
    "varchar": ("VARCHAR", *_WHOLE, "BOOLEAN"),
}
_SHOWN = {
    "UBIGINT": "a whole number",
    "BIGINT": "a whole number",
    "DOUBLE": "a fraction",
    "OBJECT": "an object or array",
    "ARRAY": "an object or array",
}


@dataclass(frozen=True)
class _Object:
    """An object: its local copy, its address, and where it is kept."""

    copy: Path
    uri: str
    target: Path


@dataclass(frozen=True)
class Reading:
    """How objects are read.

    Attributes:
        paths: For each local copy, what is read instead: what was kept of it, or itself.
        spelled: For each column, the name that it has in the objects.
    """

    paths: dict[Path, Path]
    spelled: dict[str, str]


class _LineTooLongError(Exception):
    """A line has more bytes than are read."""


class KeptObjects:
    """What was found in the copies of objects."""

    def __init__(self) -> None:
        self._kinds: dict[Path, Kinds] = {}

    def keep(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: Table,
        uris: Mapping[Path, str],
        is_cancelled: Callable[[], bool],
    ) -> Reading:
        """Look at and parse what was not yet, and hold all objects to the table's columns.

        Args:
            connection: Its cursors are used, one an object.
            table: The table that they are read for.
            uris: Addresses of the objects by their local copies.
            is_cancelled: Asked before each object; once it is true, no other is read.

        Raises:
            QueryFailedError: A line is not a JSON object, or a value or name cannot be read as Athena would.
        """
        columns = [(str(field.name), duckdb_type(field.type)) for field in table.columns]
        signature = hashlib.sha256(repr(columns).encode()).hexdigest()[:16]
        given = [
            _Object(path, uri, path.with_name(f"{path.name.partition('.')[0]}-{signature}.parquet"))
            for path, uri in uris.items()
        ]

        def guess(cursor: duckdb.DuckDBPyConnection, one: _Object) -> None:
            found = _kept_by_guess(cursor, table, one)
            if found is not None:
                self._kinds[one.copy] = found

        _for_each([one for one in given if one.copy not in self._kinds], guess, connection, is_cancelled)
        unknown = {one.copy: one.uri for one in given if one.copy not in self._kinds}
        if unknown and not is_cancelled():
            self._kinds |= parse_kinds(connection, unknown)
        spelled = _spelled(table, {self._kinds[one.copy]: one.uri for one in given if one.copy in self._kinds})
        new = [one for one in given if not one.target.exists()]
        _for_each(
            new, lambda cursor, one: _keep(cursor, table, one.copy, spelled, one.target), connection, is_cancelled
        )
        return Reading({one.copy: one.target if one.target.exists() else one.copy for one in given}, spelled)


def _for_each(
    given: Sequence[_Object],
    do: Callable[[duckdb.DuckDBPyConnection, _Object], object],
    connection: duckdb.DuckDBPyConnection,
    is_cancelled: Callable[[], bool],
) -> None:
    """Do something with each object and a cursor, with several at a time."""

    def do_one(one: _Object) -> None:
        if not is_cancelled():
            with connection.cursor() as cursor:
                do(cursor, one)

    if given:
        with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1, len(given)), "athena-parse") as pool:
            for future in [pool.submit(do_one, one) for one in given]:
                future.result()


def _kept_by_guess(cursor: duckdb.DuckDBPyConnection, table: Table, one: _Object) -> Kinds | None:
    """Keep an object whose values' kinds are plain to see, and give them; None: they are not, or it cannot be kept."""
    lines = one.copy.with_suffix(f".{uuid.uuid4().hex}.json")
    try:
        found = _unpack(one.copy, lines)
        # DuckDB reads no line that is not JSON, so the guess is right if it reads them
        if found is not None and _keep(cursor, table, lines, _spelled(table, {found: one.uri}), one.target):
            return found
    except QueryFailedError:
        # so say those who do not guess
        return None
    finally:
        lines.unlink(missing_ok=True)
    return None


def _unpack(path: Path, target: Path) -> Kinds | None:
    """Write the plain lines of a copy, and give the kinds of their values; None: they are not plain to see."""
    found: set[tuple[str, str]] = set()
    try:
        with target.open("wb") as file:
            for block in _blocks(path):
                kinds = layout.kinds(block)
                if kinds is None:
                    return None
                found |= kinds
                file.write(block)
    except (OSError, EOFError, zlib.error, _LineTooLongError):
        # DuckDB says what is wrong with it
        return None
    return frozenset(found)


def _blocks(path: Path) -> Iterator[bytes]:
    """Whole lines, each with its newline, many at a time.

    Raises:
        OSError, EOFError, zlib.error: The copy cannot be unpacked.
        _LineTooLongError: A line is longer than DuckDB reads.
    """
    rest = b""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            head, newline, tail = block.rpartition(b"\n")
            if newline:
                yield rest + head + newline
                rest = b""
            rest += tail
            if len(rest) > kept.MOST_LINE_BYTES:
                raise _LineTooLongError
    if rest:
        yield rest + b"\n"


def parse_kinds(connection: duckdb.DuckDBPyConnection, uris: Mapping[Path, str]) -> dict[Path, Kinds]:
    """Parse objects, and find the kinds of their values.

    Args:
        connection: Used for parsing.
        uris: Addresses of the objects by their local copies.

    Raises:
        QueryFailedError: A line is not JSON.
    """
    is_object = "starts_with(ltrim(json, chr(32) || chr(9) || chr(13)), '{')"
    names = f"CASE WHEN {is_object} THEN json_keys(json) ELSE [''] END"
    kinds = f"CASE WHEN {is_object} THEN json_type(json, '$.*') ELSE [{text(_NOT_AN_OBJECT)}] END"
    query = (
        f"SELECT DISTINCT filename, unnest({names}), unnest({kinds}) FROM read_json_objects({kept.listed(uris)}, "
        f"format='newline_delimited', filename=true, maximum_object_size={kept.MOST_LINE_BYTES})"
    )
    found: dict[Path, set[tuple[str, str]]] = {path: set() for path in uris}
    try:
        for path, name, kind in connection.execute(query).fetchall():
            found[Path(path)].add((name, kind))
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        raise _unreadable(uris, str(error)) from None
    return {path: frozenset(pairs) for path, pairs in found.items()}


def _unreadable(uris: Mapping[Path, str], message: str) -> QueryFailedError:
    """Name the object that DuckDB could not read as lines of JSON."""
    place = re.search(r'in file "([^"]+)"', message)
    line = re.search(r"in line (\d+)", message)
    uri = uris.get(Path(place[1])) if place else None
    shown = f" in {uri}{f', line {line[1]}' if line else ''}" if uri else ""
    return QueryFailedError("HIVE_CURSOR_ERROR", f"Row is not a valid JSON Object{shown}")


def _keep(
    cursor: duckdb.DuckDBPyConnection, table: Table, lines: Path, spelled: Mapping[str, str], target: Path
) -> bool:
    """Write the columns of an object's lines as Parquet; False: DuckDB cannot read a value."""
    # two queries may parse the same object: each under a name of its own, and the last one stays
    part = target.with_suffix(f".{uuid.uuid4().hex}.part")
    try:
        rows = kept.json_sql(table, [lines], spelled, None)
        cursor.execute(f"COPY ({rows}) TO {text(str(part))} (FORMAT parquet, COMPRESSION lz4)")
        part.replace(target)
    except duckdb.Error:
        # the query will come to the same value, and say what is wrong with it if it needs it
        part.unlink(missing_ok=True)
        return False
    return True


def _spelled(table: Table, kinds: Mapping[Kinds, str]) -> dict[str, str]:
    """Hold the values of objects to the table's columns.

    Args:
        table: The table.
        kinds: Names and kinds of the values of objects, and the address of one that has them.

    Returns:
        For each column, the name that it has in the objects.

    Raises:
        QueryFailedError: A line is not a JSON object, or a value or name cannot be read as Athena would.
    """
    spelled: dict[str, str] = {}
    types = {str(field.name): field.type for field in table.columns}
    for found, uri in kinds.items():
        for name, kind in sorted(found):
            if kind == _NOT_AN_OBJECT:
                raise QueryFailedError("HIVE_CURSOR_ERROR", f"Row is not a valid JSON Object in {uri}")
            own = types.get(name.lower())
            if own is None:
                continue
            if kind != "NULL" and kind not in _ACCEPTED[own.name]:
                raise _bad_value(uri, name, kind, own)
            if spelled.setdefault(name.lower(), name) != name:
                both = f"'{spelled[name.lower()]}' and '{name}'"
                message = f"column {name.lower()} is spelled {both} in the objects of table {table.name}"
                raise QueryFailedError("NOT_SUPPORTED", f"{message}: not supported by local AWS")
    return spelled


def _bad_value(uri: str, name: str, kind: str, type_: Type) -> QueryFailedError:
    message = f"a value of '{name}' in {uri} is {_SHOWN.get(kind, kind.lower())}, the column is {type_}"
    return QueryFailedError("HIVE_CURSOR_ERROR", message)
