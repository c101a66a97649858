"""S3 objects of OpenX tables: each is read once, line by line, and kept as Parquet for all later queries."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import duckdb

from ddb_pipeline.local_aws.athena import kept
from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.openx.options import Options
from ddb_pipeline.local_aws.athena.openx.rows import LineError, RowReader
from ddb_pipeline.local_aws.athena.relations import Table

_GZIP = b"\x1f\x8b"
_MARK = b"\xef\xbb\xbf"
_LINES_BETWEEN_LOOKS = 5000


@dataclass(frozen=True)
class _Object:
    """An object: its local copy, its address, and where it is kept."""

    copy: Path
    uri: str
    target: Path


class _CancelledError(Exception):
    """Nobody waits for the rows any more."""


class KeptObjects:
    """What was read of objects, and what in them is no value of its column."""

    def __init__(self) -> None:
        # of each kept object, by place of a column, from 1: what is wrong first, and the line that it is in
        self._misfits: dict[Path, dict[int, tuple[LineError, int]]] = {}

    def keep(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: Table,
        uris: Mapping[Path, str],
        used: frozenset[int],
        is_cancelled: Callable[[], bool],
    ) -> dict[Path, Path]:
        """Read what was not read yet.

        Args:
            connection: Used for writing Parquet.
            table: The table that they are read for.
            uris: Addresses of the objects by their local copies.
            used: Places, from 1, of the columns that the query uses: what is wrong in others does not fail it.
            is_cancelled: Asked every few lines; once it is true, no more is read.

        Returns:
            The kept object of each copy.

        Raises:
            QueryFailedError: A line or a value cannot be read as Athena would.
        """
        signature = hashlib.sha256(repr((table.columns, table.openx)).encode()).hexdigest()[:16]
        found = {path: path.with_name(f"{path.name.replace('.', '-')}-{signature}.parquet") for path in uris}
        for path, target in found.items():
            if target not in self._misfits:
                try:
                    self._misfits[target] = _read(connection, table, _Object(path, uris[path], target), is_cancelled)
                except _CancelledError:
                    break
            for place, (error, line) in self._misfits[target].items():
                if place in used:
                    raise error.at(f"{uris[path]}, line {line}")
        return found


def _read(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    given: _Object,
    is_cancelled: Callable[[], bool],
) -> dict[int, tuple[LineError, int]]:
    """Write the rows of an object; give what is wrong in them."""
    # two queries may read the same object: each writes files of its own, and the last one stays
    lines, part = (given.target.with_suffix(f".{uuid.uuid4().hex}.{ending}") for ending in ("json", "part"))
    encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
    rows, wrong = RowReader(table.columns, table.openx or Options()), dict[int, tuple[LineError, int]]()
    try:
        with lines.open("w", encoding="utf-8") as file:
            for number, line in enumerate(_lines(given), 1):
                if number % _LINES_BETWEEN_LOOKS == 0 and is_cancelled():
                    raise _CancelledError
                try:
                    row, misfits = rows.row(line)
                    file.write(encode(row) + "\n")
                except LineError as error:
                    raise error.at(f"{given.uri}, line {number}") from None
                except UnicodeEncodeError:
                    message = "half of a surrogate pair is not supported by local AWS"
                    raise LineError("NOT_SUPPORTED", message).at(f"{given.uri}, line {number}") from None
                for place, misfit in misfits.items():
                    wrong.setdefault(place, (misfit, number))
        connection.execute(
            f"COPY ({kept.json_sql(table, [lines], {}, None)}) TO {text(str(part))} (FORMAT parquet, COMPRESSION lz4)"
        )
        part.replace(given.target)
    finally:
        lines.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return wrong


def _lines(given: _Object) -> Iterator[str]:
    """The lines of an object; its compression is told by its name alone, as Athena does."""
    try:
        with _opened(given.copy) as file:
            first = file.peek(len(_MARK))
            if first.startswith(_GZIP):
                raise QueryFailedError("NOT_SUPPORTED", f"{given.uri} is gzip, and its name does not end with .gz")
            if first.startswith(_MARK):
                raise QueryFailedError("NOT_SUPPORTED", f"{given.uri} begins with a byte order mark")
            for chunk in file:
                for line in chunk.splitlines():
                    yield line.decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error) as error:
        raise QueryFailedError("HIVE_CURSOR_ERROR", f"Failed to read file at {given.uri}: {error}") from None


def _opened(path: Path) -> gzip.GzipFile | bz2.BZ2File | BufferedReader:
    if path.suffix == ".gz":
        return gzip.open(path)
    return bz2.open(path) if path.suffix == ".bz2" else path.open("rb")
