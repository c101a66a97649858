"""Why a query failed, in the words that Athena puts into `StateChangeReason`."""

from __future__ import annotations

from moto.core.exceptions import JsonRESTError
from sqlglot import exp

SYSTEM_ERROR = 1
USER_ERROR = 2
"""Categories of AthenaError (API shape `AthenaError.ErrorCategory`: 1 system, 2 user, 3 other)."""


class InvalidRequestError(JsonRESTError):
    """InvalidRequestException: the request itself is wrong."""

    code = 400

    def __init__(self, message: str) -> None:
        super().__init__("InvalidRequestException", message)


class ResourceNotFoundError(JsonRESTError):
    """ResourceNotFoundException: there is no such prepared statement."""

    code = 400

    def __init__(self, message: str, name: str) -> None:
        super().__init__("ResourceNotFoundException", message, ResourceName=name)


class QueryFailedError(Exception):
    """A query ends as FAILED.

    Args:
        name: Trino's or Athena's name of the error, such as `TABLE_NOT_FOUND`.
        message: What is wrong, in Athena's words where they are known.
        category: `USER_ERROR` or `SYSTEM_ERROR`.
    """

    def __init__(self, name: str, message: str, *, category: int = USER_ERROR) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.category = category


class QueryCancelledError(Exception):
    """A query ends as CANCELLED; the message is its `StateChangeReason`."""


class FunctionFailedError(Exception):
    """A function that is computed in Python fails for a row; TRY turns it into NULL, as it does any failure.

    Args:
        name: Trino's name of the error.
        message: Its message.
    """

    def __init__(self, name: str, message: str) -> None:
        # DuckDB hands on the text alone: the marks let `engine.translate` find name and message in it
        super().__init__(f"[ATHENA]{name}: {message}[/ATHENA]")


def failed_at(sql: str, node: exp.Expr | None, name: str, message: str) -> QueryFailedError:
    """Make the error of a place in the query's text: `NAME: line 1:8: message`.

    Args:
        sql: The text of the query.
        node: What is wrong. Its place is that of its first token whose position is known.
        name: Trino's name of the error.
        message: What is wrong with it.
    """
    place = position(sql, node)
    return QueryFailedError(name, f"line {place[0]}:{place[1]}: {message}" if place else message)


def not_supported(sql: str, node: exp.Expr | None, what: str) -> QueryFailedError:
    """Refuse by name what Athena may well know but local AWS cannot answer as Athena does."""
    return failed_at(sql, node, "NOT_SUPPORTED", f"{what} is not supported by local AWS")


def position(sql: str, node: exp.Expr | None) -> tuple[int, int] | None:
    """Find line and column, both from 1, of the first positioned token in `node`."""
    if node is None:
        return None
    starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    if not starts:
        return None
    before = sql[: min(starts)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
