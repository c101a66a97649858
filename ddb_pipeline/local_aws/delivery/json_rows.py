"""Records read as rows of a table: a value that does not fit its column fails the record, and no other one.

What the deserializers take: OpenX what resembles the type (`"12"` for an int; anything as text for a string), Hive
what JSON itself has of that type (facts from github rcongiu/Hive-JSON-Serde and Hive's own JsonSerDe; AWS says only
that a record which does not match the schema fails). Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, DecimalException, localcontext
from typing import Any

from ddb_pipeline.local_aws.athena.types import Type
from ddb_pipeline.local_aws.delivery.conversion_settings import Deserializer

_BITS = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(\.\d{1,9})?Z?)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# more than a decimal column's 38 digits on both sides of the point
_DIGITS = 400


class MisfitError(Exception):
    """A record is no row of the table.

    Attributes:
        code: Error code of its document.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _ValueError(Exception):
    """A value does not fit its type."""


@dataclass(frozen=True)
class Schema:
    """The columns of a version of a table, without its partition keys.

    Attributes:
        columns: Types by name.
        version: The version.
    """

    columns: Mapping[str, Type]
    version: str


class RowReader:
    """Reads records by a schema.

    Args:
        schema: The columns.
        deserializer: How keys and values are read.
    """

    def __init__(self, schema: Schema, deserializer: Deserializer) -> None:
        self.schema = schema
        self._deserializer = deserializer
        self._lenient = deserializer.kind == "OpenX"
        self._keys = {column: self._key(deserializer.keys.get(column, column)) for column in schema.columns}
        self._json = json.JSONDecoder(
            parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=self._object
        )

    def lines(self, data: bytes) -> bytes:
        """Read a record's JSON objects, one or several without anything between them, as rows.

        Returns:
            JSON lines whose values DuckDB reads as the columns' types.

        Raises:
            MisfitError: It is no JSON, or a value does not fit its column.
        """
        lines: list[str] = []
        position = 0
        try:
            text = data.decode().strip()
            while position < len(text) or not lines:
                content, position = self._json.raw_decode(text, position)
                lines.append(self._row(content))
                position += len(text[position:]) - len(text[position:].lstrip())
        except (ValueError, RecursionError) as error:
            raise MisfitError("DataFormatConversion.ParseError", f"Encountered malformed JSON. {error}") from None
        return "".join(lines).encode()

    def _row(self, content: Any) -> str:
        if not isinstance(content, dict):
            raise MisfitError("DataFormatConversion.ParseError", "Encountered malformed JSON. It is not an object")
        if not self._lenient:
            # columns are found whatever the case; the keys of maps stay as they are
            content = {key.lower(): value for key, value in content.items()}
        row = {}
        for column, type_ in self.schema.columns.items():
            value = content.get(self._keys[column])
            try:
                row[column] = self._value(value, type_)
            except (_ValueError, ArithmeticError, DecimalException):
                shown = _text(value)[:100]
                raise MisfitError(
                    "DataFormatConversion.MalformedData",
                    f"Data does not match the schema. {shown} is no {type_} for column {column}",
                ) from None
        return json.dumps(row) + "\n"

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Read an object; keys that are the same by the deserializer's rules are malformed."""
        if not self._lenient:
            return dict(pairs)
        content: dict[str, Any] = {}
        for name, value in pairs:
            key = self._key(name)
            if key in content:
                raise ValueError(f"Duplicate key {key}")
            content[key] = value
        return content

    def _key(self, name: str) -> str:
        if self._deserializer.dots_to_underscores:
            name = name.replace(".", "_")
        return name.lower() if self._lenient and self._deserializer.case_insensitive else name

    def _value(self, value: Any, type_: Type) -> Any:
        if value is None:
            return None
        if type_.name in {"array", "map", "row"}:
            return self._nested(value, type_)
        if type_.name == "varchar":
            return self._string(value, type_)
        if type_.name == "boolean":
            return value == "true" if self._lenient and value in ("true", "false") else _held(value, bool)
        if type_.name in {"date", "timestamp"}:
            return self._moment(value, type_.name)
        return self._number(value, type_)

    def _nested(self, value: Any, type_: Type) -> Any:
        if type_.name == "array":
            return [self._value(one, type_.parts[0]) for one in _held(value, list)]
        content = _held(value, dict)
        if type_.name == "map":
            return {key: self._value(one, type_.parts[1]) for key, one in content.items()}
        names = {key.lower(): key for key in content}
        return {
            str(name): self._value(content.get(names.get(str(name), "")), part)
            for name, part in zip(type_.names, type_.parts, strict=True)
        }

    def _string(self, value: Any, type_: Type) -> str:
        if not self._lenient and isinstance(value, dict | list):
            raise _ValueError
        text = value if isinstance(value, str) else _text(value)
        return text[: type_.numbers[0]] if type_.numbers else text

    def _number(self, value: Any, type_: Type) -> Any:
        if isinstance(value, str) and self._lenient:
            value = int(value) if _INTEGER.fullmatch(value) else Decimal(value)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise _ValueError
        if type_.name in _BITS:
            limit = 2 ** (_BITS[type_.name] - 1)
            if not isinstance(value, int) or not -limit <= value < limit:
                raise _ValueError
            return value
        if not Decimal(value).is_finite():
            raise _ValueError
        if type_.name == "double":
            return float(value)
        digits, scale = type_.numbers
        with localcontext(prec=_DIGITS):
            rounded = Decimal(value).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
        if abs(rounded) >= Decimal(10) ** (digits - scale):
            raise _ValueError
        return f"{rounded:f}"

    def _moment(self, value: Any, kind: str) -> str:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if kind == "timestamp" and is_number and (self._lenient or self._deserializer.timestamps_in_milliseconds):
            try:
                return f"{(_EPOCH + timedelta(milliseconds=value)).replace(tzinfo=None).isoformat(' ')}"
            except OverflowError:
                raise _ValueError from None
        found = _TIMESTAMP.fullmatch(_held(value, str))
        if found is None or (kind == "date") == (found[2] is not None):
            raise _ValueError
        try:
            if kind == "date":
                return date.fromisoformat(found[1]).isoformat()
            datetime.fromisoformat(f"{found[1]} {found[2]}")
        except ValueError:
            raise _ValueError from None
        return f"{found[1]} {found[2]}{(found[3] or '')[:7]}"


def _held(value: Any, kind: type[Any]) -> Any:
    if not isinstance(value, kind):
        raise _ValueError
    return value


def _text(value: Any) -> str:
    """JSON text of a value, with its numbers as they were written."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
