"""A query's rows in Athena's text formats: the result file in S3 and the pages of GetQueryResults."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ddb_pipeline.local_aws.athena.relations import Field
from ddb_pipeline.local_aws.athena.types import REAL, UNBOUNDED, Type

_LEAST_DIGITS = 3
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7
_PRECISIONS = {"boolean": 0, "tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "double": 17, "date": 0}


def names(fields: Sequence[Field]) -> list[str]:
    """Names of result columns; those without one are numbered as Trino does."""
    return [field.name if field.name is not None else f"_col{place}" for place, field in enumerate(fields)]


def column_info(fields: Sequence[Field]) -> list[dict[str, Any]]:
    """The `ColumnInfo` list of ResultSetMetadata (API shape `ColumnInfo`)."""
    return [
        {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": name,
            "Label": name,
            # the name that Athena has for it in DDL
            "Type": "float" if field.type == REAL else field.type.name,
            "Precision": _precision(field.type),
            "Scale": field.type.numbers[1] if field.type.name == "decimal" else 0,
            "Nullable": "UNKNOWN",
            "CaseSensitive": field.type.name == "varchar",
        }
        for name, field in zip(names(fields), fields, strict=True)
    ]


def _precision(type_: Type) -> int:
    if type_.name == "varchar":
        return type_.numbers[0] if type_.numbers else UNBOUNDED
    if type_.name == "varbinary":
        return 1073741824
    return type_.numbers[0] if type_.numbers else _PRECISIONS.get(type_.name, 0)


def cell(value: Any, type_: Type) -> str | None:
    """Write a value as GetQueryResults does; None: it is NULL and has no text."""
    if value is None:
        return None
    if type_.name == "array":
        return f"[{', '.join(_inner(element, type_.parts[0]) for element in value)}]"
    if type_.name == "row":
        fields = [value[f"f{place}"] for place in range(1, len(type_.parts) + 1)]
        shown = [
            f"{name if name is not None else f'field{place}'}={_inner(field, part)}"
            for place, (field, part, name) in enumerate(zip(fields, type_.parts, type_.names, strict=True))
        ]
        return f"{{{', '.join(shown)}}}"
    if type_.name == "map":
        key, item = type_.parts
        return f"{{{', '.join(f'{_inner(k, key)}={_inner(v, item)}' for k, v in value.items())}}}"
    return _scalar(value, type_)


def _inner(value: Any, type_: Type) -> str:
    text = cell(value, type_)
    return "null" if text is None else text


def _scalar(value: Any, type_: Type) -> str:  # noqa: PLR0911
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return real_text(value) if type_ == REAL else double_text(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return value.hex(" ")
    if isinstance(value, datetime):
        digits = max(_LEAST_DIGITS, type_.numbers[0])
        text = f"{value.year:04d}-{value:%m-%d %H:%M:%S.%f}"[: 20 + digits]
        return f"{text} {type_.zone}" if type_.name == "timestamp with time zone" else text
    if isinstance(value, date):
        return value.isoformat()
    return interval_text(value) if isinstance(value, timedelta) else str(value)


def interval_text(value: timedelta) -> str:
    """Write an interval of days and times as Trino does (IntervalDayTime of trino-client): `-1 02:03:04.005`."""
    milliseconds = abs(value) // timedelta(milliseconds=1)
    seconds, fraction = divmod(milliseconds, 1000)
    hours, rest = divmod(seconds, 3600)
    sign = "-" if value < timedelta(0) else ""
    return f"{sign}{hours // 24} {hours % 24:02d}:{rest // 60:02d}:{rest % 60:02d}.{fraction:03d}"


def double_text(value: float) -> str:
    """Write a double as Java's Double.toString does: `0.1`, `1.0E10`, `NaN`, `-Infinity`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        return f"{Decimal(repr(value)):f}" if value else repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{int(exponent) + len(text) - 1}"


def real_text(value: float) -> str:
    """Write a real: the fewest digits that mean it among the floats of 32 bits."""
    short = next((text for text in (f"{value:.{digits}g}" for digits in range(1, 10)) if _narrow(text) == value), None)
    return double_text(value if short is None else float(short))


def _narrow(text: str) -> float:
    """The float of 32 bits that a text means; NaN: it is beyond all of them."""
    try:
        (narrow,) = struct.unpack("f", struct.pack("f", float(text)))
    except OverflowError:
        return math.nan
    return float(narrow)


def csv_line(cells: Iterable[str | None]) -> str:
    """Write a line of the result file: every value quoted, NULL as nothing."""
    return ",".join("" if text is None else '"' + text.replace('"', '""') + '"' for text in cells) + "\n"


def write_rows(path: Path, fields: Sequence[Field], batches: Iterable[Sequence[Sequence[Any]]]) -> int:
    """Write the result file: a header, then the rows; return how many.

    Args:
        path: The file.
        fields: Its columns.
        batches: Rows as DuckDB gives them.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_line(names(fields)))
        count = 0
        for rows in batches:
            count += len(rows)
            file.writelines(csv_line(cell(v, f.type) for v, f in zip(row, fields, strict=True)) for row in rows)
    return count


def read_rows(path: Path, offset: int, count: int) -> tuple[list[list[str | None]], int | None]:
    """Read lines of a result file, the header being its first.

    Args:
        path: The file.
        offset: Character where to start, 0 or what an earlier call returned.
        count: Most lines to read.

    Returns:
        The lines, and where the next one starts; None: there is none.
    """
    with path.open("rb") as file:
        file.seek(offset)
        found = []
        for line in _lines(file):
            found.append(line)
            if len(found) == count:
                break
        end = file.tell()
        return [_cells(line) for line in found], end if file.read(1) else None


def _lines(file: Any) -> Iterator[bytes]:
    """Lines of a result file; a line feed between quotes is part of a value."""
    pending = b""
    while part := file.readline():
        pending += part
        if pending.count(b'"') % 2 == 0:
            yield pending
            pending = b""


def _cells(line: bytes) -> list[str | None]:
    text, place = line.decode().removesuffix("\n"), 0
    cells: list[str | None] = []
    while place <= len(text):
        if text[place : place + 1] == '"':
            end = place + 1
            while text[end] != '"' or text[end + 1 : end + 2] == '"':
                end += 2 if text[end] == '"' else 1
            cells.append(text[place + 1 : end].replace('""', '"'))
            place = end + 2
        else:
            cells.append(None)
            place += 1
    return cells
