"""The file that holds a local AWS's state: a SQLite database, written in whole transactions, used by one process.

A process that is killed leaves the last whole transaction (sqlite.org/wal.html); so does a machine that loses power,
but for the last moments before it.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ddb_pipeline.names import PROJECT

FILE = "state.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS written_by (what TEXT PRIMARY KEY, version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS backends (
    service TEXT, account TEXT, region TEXT, content BLOB NOT NULL, PRIMARY KEY (service, account, region)
);
CREATE TABLE IF NOT EXISTS items (
    table_id TEXT, item_key TEXT, content BLOB NOT NULL, PRIMARY KEY (table_id, item_key)
);
CREATE TABLE IF NOT EXISTS records (
    stream_arn TEXT, shard_id TEXT, position INTEGER, partition_key TEXT, hash_key TEXT, data BLOB, created_at REAL,
    PRIMARY KEY (stream_arn, shard_id, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (bucket TEXT, name TEXT, content BLOB NOT NULL, PRIMARY KEY (bucket, name));
CREATE TABLE IF NOT EXISTS bodies (body_id TEXT PRIMARY KEY, bucket TEXT, name TEXT, content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS bodies_of_objects ON bodies (bucket, name);
CREATE TABLE IF NOT EXISTS readers (delivery_stream_arn TEXT PRIMARY KEY, content BLOB NOT NULL);
"""

Statement = tuple[str, Sequence[Any]]
"""SQL and its parameters."""


class StateError(Exception):
    """The directory cannot be used; the message says why and what to do."""


class Store:
    """The open file.

    Args:
        directory: Where it is, or is to be.

    Raises:
        StateError: Another process uses it, another version wrote it, or it cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        try:
            directory.mkdir(parents=True, exist_ok=True)
            # the caller sees to it that one thread at a time uses it
            self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{directory} cannot hold the state of local AWS: {error}") from error
        try:
            self._open()
        except sqlite3.OperationalError as error:
            self._connection.close()
            if "locked" in str(error):
                raise StateError(f"the state in {directory} is used by another local AWS: stop that first") from error
            raise StateError(f"{directory} cannot hold the state of local AWS: {error}") from error
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise StateError(f"{self._path} is not the state of a local AWS: {error}") from error
        except StateError:
            self._connection.close()
            raise

    def _open(self) -> None:
        # held until the file is closed or the process is gone
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("BEGIN EXCLUSIVE")
        for statement in _TABLES.split(";"):
            self._connection.execute(statement)
        found = dict(self._connection.execute("SELECT what, version FROM written_by").fetchall())
        wanted = versions()
        different = [what for what, version in wanted.items() if found and found.get(what) != version]
        if different:
            self._connection.execute("ROLLBACK")
            pairs = ", ".join(f"{what} {found.get(what, 'unknown')} (this is {wanted[what]})" for what in different)
            raise StateError(
                f"the state in {self._path.parent} was written with {pairs}: delete that directory, or use another one"
            )
        self._connection.executemany("INSERT OR REPLACE INTO written_by VALUES (?, ?)", wanted.items())
        self._connection.execute("COMMIT")

    def write(self, statements: Iterable[Statement]) -> None:
        """Carry out statements, all or none.

        Raises:
            sqlite3.Error: None was carried out, for instance because the disk is full.
        """
        self._connection.execute("BEGIN")
        try:
            for sql, parameters in statements:
                self._connection.execute(sql, parameters)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield rows."""
        yield from self._connection.execute(sql, parameters)

    def close(self) -> None:
        """Close the file, for another process to use."""
        self._connection.close()


def versions() -> dict[str, str]:
    """What writes the state. Objects are kept as they are in memory, so each of these must be the same to read them."""
    return {
        "Python": ".".join(map(str, sys.version_info[:2])),
        "moto": metadata.version("moto"),
        PROJECT: f"{metadata.version(PROJECT)} of {_fingerprint()}",
    }


def _fingerprint() -> str:
    """A short hash of local AWS's own code, which changes more often than its version."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
