"""`sequence` of numbers, dates and times (https://trino.io/docs/current/functions/array.html, SequenceFunction)."""

from __future__ import annotations

from ddb_pipeline.local_aws.athena.arguments import UnsupportedArgumentError
from ddb_pipeline.local_aws.athena.casts import coerce
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import BIGINT, DAYS, MONTHS, ZONED, Type, array, common_type, duckdb_type

_EPOCH = "DATE '1970-01-01'"


def sequence(start: Value, stop: Value, step: Value | None = None) -> Value | None:
    """Compile `sequence(start, stop)` or `sequence(start, stop, step)`, ends included."""
    common = common_type(start.type, stop.type)
    if common is None:
        return None
    first, last = coerce(start.sql, start.type, common), coerce(stop.sql, stop.type, common)
    if common.is_integer:
        return _numbers(str(first), str(last), step)
    if common.name == ZONED.name:
        raise UnsupportedArgumentError("sequence of timestamps with time zone is not supported by local AWS")
    if common.name not in {"date", "timestamp"} or (step is None and common.name == "timestamp"):
        return None
    if step is not None and step.type == MONTHS:
        return _months(str(first), str(last), step, common)
    if step is not None and step.type != DAYS:
        return None
    return _days(str(first), str(last), step) if common.name == "date" else _times(str(first), str(last), step, common)


def _numbers(first: str, last: str, step: Value | None) -> Value | None:
    a, b = (f"CAST({sql} AS BIGINT)" for sql in (first, last))
    if step is None:
        return Value(f"athena_sequence({a}, {b})", array(BIGINT))
    by = coerce(step.sql, step.type, BIGINT)
    return None if by is None else Value(f"athena_sequence_by({a}, {b}, {by})", array(BIGINT))


def _days(first: str, last: str, step: Value | None) -> Value:
    a, b = (f"(({sql}) - {_EPOCH})" for sql in (first, last))
    numbers = f"athena_sequence({a}, {b})"
    if step is not None:
        if step.literal == "time":
            message = "sequence step must be a day interval if start and end values are dates"
            raise UnsupportedArgumentError(message)
        numbers = f"athena_sequence_by({a}, {b}, CAST(epoch({step.sql}) AS BIGINT) // 86400)"
    return Value(f"list_transform({numbers}, lambda e: {_EPOCH} + CAST(e AS INTEGER))", array(Type("date")))


def _times(first: str, last: str, step: Value | None, type_: Type) -> Value | None:
    if step is None:
        return None
    numbers = f"athena_sequence_by(epoch_us({first}), epoch_us({last}), epoch_us({step.sql}))"
    return Value(f"list_transform({numbers}, lambda e: CAST(make_timestamp(e) AS {duckdb_type(type_)}))", array(type_))


def _months(first: str, last: str, step: Value, type_: Type) -> Value:
    """Each is so many months after the start: of a 31st, February has its last day and March the 31st again."""
    a, b = (f"CAST({sql} AS TIMESTAMP)" for sql in (first, last))
    months = f"CAST(date_part('year', {step.sql}) * 12 + date_part('month', {step.sql}) AS BIGINT)"
    numbers = f"athena_sequence_by(0, athena_months_between({a}, {b}), {months})"
    moved = f"CAST({a} + to_months(CAST(e AS INTEGER)) AS {duckdb_type(type_)})"
    return Value(f"list_transform({numbers}, lambda e: {moved})", array(type_))
