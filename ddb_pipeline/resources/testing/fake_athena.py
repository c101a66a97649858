"""A played Athena that answers the statements which a test has told it, behind a real `AthenaResource`."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

from ddb_pipeline.resources.athena import AthenaResource
from ddb_pipeline.resources.testing.fake_client import FakeClient, refusal

_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "bigint"),
    (float, "double"),
    (Decimal, "decimal"),
    (datetime, "timestamp"),
    (date, "date"),
    (time, "time"),
    (bytes, "varbinary"),
    (list, "array"),
    (tuple, "array"),
    (dict, "row"),
)
"""Athena's types of Python's; the first that fits counts, and text is varchar."""
_READS = {"SELECT", "WITH", "VALUES", "TABLE", ""}
"""What a query begins with that writes nothing, after brackets."""


@dataclass(frozen=True)
class Answer:
    """What a statement does.

    Attributes:
        statement: Text of the statement, its spaces counting as one; or a pattern that is searched for in it.
        columns: Name and Athena type of each column.
        rows: Rows of Python values.
        fails: Athena's reason, when it fails.
        cancelled: Athena's reason, when it is cancelled.
        seconds: How long it runs.
        scanned: Bytes that it scans.
        rows_written: Rows that it writes.
        kind: DML, DDL or UTILITY.
    """

    statement: str | re.Pattern[str]
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Any, ...], ...]
    fails: str | None
    cancelled: str | None
    seconds: float
    scanned: int
    rows_written: int | None
    kind: str

    def suits(self, sql: str) -> bool:
        """Whether it is the answer to a statement."""
        if isinstance(self.statement, re.Pattern):
            return self.statement.search(sql) is not None
        return self.statement.split() == sql.split()


@dataclass
class AskedQuery:
    """A query that was started.

    Attributes:
        query_id: Its id.
        sql: The statement.
        parameters: Literals of its `?`.
        asked: The whole request, without the token.
        token: The client request token.
        began: Second at which it was started.
        answer: What it does; None: nothing was told, so that it fails.
        stopped: Second at which it was stopped; None: it was not.
    """

    query_id: str
    sql: str
    parameters: list[str]
    asked: dict[str, Any]
    token: str
    began: float
    answer: Answer | None
    stopped: float | None = None


class FakeAthena(FakeClient):
    """Plays Athena: it knows no SQL, only what it was told.

    Attributes:
        queries: The queries that were started, oldest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[AskedQuery] = []
        self.began_at = datetime.now(UTC)
        self._answers: list[Answer] = []

    def resource(self, **settings: Any) -> AthenaResource:
        """Return a resource whose Athena this is.

        Args:
            settings: Settings of the resource; workgroup and database are `workgroup` and `database` by default.
        """
        return self.behind(AthenaResource, {"workgroup": "workgroup", "database": "database", **settings})

    def answer(
        self,
        statement: str | re.Pattern[str],
        rows: Iterable[Sequence[Any]] = (),
        columns: Sequence[str] | Mapping[str, str] = (),
        *,
        fails: str | None = None,
        cancelled: str | None = None,
        seconds: float = 1.0,
        scanned: int = 0,
        rows_written: int | None = None,
        kind: str = "DML",
    ) -> None:
        """Tell what a statement does. Of several answers that suit a statement, the one told last counts.

        Args:
            statement: Text of the statement, its spaces counting as one; or a pattern that is searched for in it.
            rows: Rows of Python values. Lists and dictionaries come back as text, as Athena writes arrays and rows, but
                as they are in a column of type json.
            columns: Names of the columns, or their names and Athena types; the types follow from the rows otherwise.
            fails: Athena's reason, when it fails.
            cancelled: Athena's reason, when it is cancelled.
            seconds: How long it runs.
            scanned: Bytes that it scans.
            rows_written: Rows that it writes.
            kind: DML, DDL or UTILITY.

        Raises:
            ValueError: A row has not as many values as there are columns.
        """
        table = tuple(tuple(row) for row in rows)
        width = len(columns) or (len(table[0]) if table else 0)
        for row in table:
            if len(row) != width:
                raise ValueError(f"the row {row} has {len(row)} values: there are {width} columns")
        typed = columns if isinstance(columns, Mapping) else _typed(tuple(columns), table)
        told = Answer(statement, tuple(typed.items()), table, fails, cancelled, seconds, scanned, rows_written, kind)
        self._answers.insert(0, told)

    def state(self, query: AskedQuery) -> str:
        """State of a query: QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED."""
        if query.stopped is not None:
            return "CANCELLED"
        if query.answer is None:
            return "FAILED"
        if self.now - query.began < query.answer.seconds:
            return "RUNNING" if self.now > query.began else "QUEUED"
        return "FAILED" if query.answer.fails else "CANCELLED" if query.answer.cancelled else "SUCCEEDED"

    # --- operations of boto3's client, with boto3's names

    def start_query_execution(self, *, ClientRequestToken: str, **asked: Any) -> dict[str, Any]:  # noqa: N803
        """StartQueryExecution: one query for each token."""
        self.refuse_if_told()
        known = next((query for query in self.queries if query.token == ClientRequestToken), None)
        if known and known.asked != asked:
            raise refusal("InvalidRequestException", "Idempotent parameters do not match")
        if known is None:
            sql, parameters = asked["QueryString"], list(asked.get("ExecutionParameters", []))
            answer = next((one for one in self._answers if one.suits(sql)), None)
            known = AskedQuery(str(uuid.uuid4()), sql, parameters, asked, ClientRequestToken, self.now, answer)
            self.queries.append(known)
        date_ = format_datetime(self._at(self.now), usegmt=True)
        return {"QueryExecutionId": known.query_id, "ResponseMetadata": {"HTTPHeaders": {"date": date_}}}

    def stop_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:  # noqa: N803
        """StopQueryExecution."""
        self.refuse_if_told()
        query = self._query(QueryExecutionId)
        if self.state(query) in {"QUEUED", "RUNNING"}:
            query.stopped = self.now
        return {}

    def get_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:  # noqa: N803
        """GetQueryExecution."""
        self.refuse_if_told()
        query = self._query(QueryExecutionId)
        state, told = self.state(query), query.answer
        status: dict[str, Any] = {"State": state, "SubmissionDateTime": self._at(query.began)}
        if state in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            lasted = told.seconds if told else 0.0
            ended = query.stopped if query.stopped is not None else query.began + lasted
            status |= {"CompletionDateTime": self._at(ended)} | self._reason(query)
        return {
            "QueryExecution": {
                "QueryExecutionId": query.query_id,
                "Query": query.sql,
                "StatementType": told.kind if told else "DML",
                "SubstatementType": _substatement(query),
                "Status": status,
                "Statistics": {
                    "DataScannedInBytes": told.scanned if told else 0,
                    "EngineExecutionTimeInMillis": round(1000 * (told.seconds if told else 0)),
                },
                "WorkGroup": query.asked["WorkGroup"],
            }
        }

    def get_query_results(
        self,
        QueryExecutionId: str,  # noqa: N803
        MaxResults: int = 1000,  # noqa: N803
        NextToken: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """GetQueryResults: pages of rows, the first row being the names of the columns."""
        self.refuse_if_told()
        query = self._query(QueryExecutionId)
        if self.state(query) != "SUCCEEDED" or query.answer is None:
            raise refusal("InvalidRequestException", f"Query has not succeeded. Current state: {self.state(query)}")
        told = query.answer
        lines: list[list[str | None]] = [
            [name for name, _type in told.columns],
            *(
                [_text(value, kind) for value, (_name, kind) in zip(row, told.columns, strict=True)]
                for row in told.rows
            ),
        ]
        start = int(NextToken or 0)
        page = lines[start : start + MaxResults] if told.columns else []
        following = start + MaxResults
        info = [
            {"Name": name, "Type": kind, "Precision": 0, "Scale": 0, "Nullable": "UNKNOWN"}
            for name, kind in told.columns
        ]
        rows = [{"Data": [{} if text is None else {"VarCharValue": text} for text in line]} for line in page]
        answer: dict[str, Any] = {"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": info}}}
        if told.rows_written is not None:
            answer["UpdateCount"] = told.rows_written
        return answer | ({"NextToken": str(following)} if told.columns and following < len(lines) else {})

    def _query(self, query_id: str) -> AskedQuery:
        for query in self.queries:
            if query.query_id == query_id:
                return query
        raise refusal("InvalidRequestException", f"QueryExecution {query_id} was not found")

    def _reason(self, query: AskedQuery) -> dict[str, Any]:
        if query.answer is None:
            return {"StateChangeReason": f"FakeAthena was told no answer to: {query.sql}"}
        reason = (
            "Query cancelled by user" if query.stopped is not None else query.answer.fails or query.answer.cancelled
        )
        return {"StateChangeReason": reason} if reason else {}

    def _at(self, second: float) -> datetime:
        return self.began_at + timedelta(seconds=second)


def _typed(names: tuple[str, ...], rows: tuple[tuple[Any, ...], ...]) -> dict[str, str]:
    """Names and types of the columns; without names they are called as Athena calls what has none."""
    width = len(rows[0]) if rows else len(names)
    names = names or tuple(f"_col{place}" for place in range(width))
    firsts = [next((row[place] for row in rows if row[place] is not None), "") for place in range(len(names))]
    return dict(zip(names, map(_type_of, firsts), strict=True))


def _type_of(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo:
        return "timestamp with time zone"
    return next((kind for python, kind in _TYPES if isinstance(value, python)), "varchar")


def _substatement(query: AskedQuery) -> str:
    """A statement is called by its first word; whatever begins otherwise reads."""
    (word,) = re.findall(r"[A-Za-z]*", query.sql.lstrip("( \n\t"))[:1]
    return "SELECT" if word.upper() in _READS else word.upper()


def _text(value: Any, kind: str) -> str | None:
    """A value of a column as Athena writes it; None is no text at all."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if kind == "json" else _written(value)


def _written(value: Any) -> str:  # noqa: PLR0911 - a line a type
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex(" ")
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec=_digits(value)) + _zone(value)
    if isinstance(value, time):
        return value.isoformat(timespec=_digits(value))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_written(item)}" for name, item in value.items()) + "}"
    return str(value)


def _zone(moment: datetime) -> str:
    if moment.tzinfo is None:
        return ""
    name = getattr(moment.tzinfo, "key", None) or ("UTC" if moment.tzinfo is UTC else moment.isoformat()[-6:])
    return f" {name}"


def _digits(moment: datetime | time) -> str:
    """Three digits are Athena's default; of those beyond none is lost."""
    return "microseconds" if moment.microsecond % 1000 else "milliseconds"
