"""Trino's types: how they read in SQL, Hive, DuckDB and Athena's API, and which turn into which unasked.

DuckDB converts more freely than Trino does, so no conversion is left to it: each expression carries its Trino
type, and every conversion is written out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_DECIMAL_DIGITS = 38
MAX_TIMESTAMP_DIGITS = 6
UNBOUNDED = 2147483647
"""Length of a varchar without bound, as Athena's ColumnInfo.Precision shows it."""


UTC = "UTC"
MIXED = ""
"""Zone of values whose zones differ."""


@dataclass(frozen=True)
class Type:
    """A Trino type.

    Attributes:
        name: Base name: `bigint`, `varchar`, `timestamp`, `array`, `row`, ...
        numbers: Length, precision or precision and scale; empty when the type has none or is unbounded.
        parts: Types inside an array, map or row.
        names: Names of a row's fields, None for a field without name.
        zone: Of a timestamp with time zone: the zone of all its values, or `MIXED`.
    """

    name: str
    numbers: tuple[int, ...] = ()
    parts: tuple[Type, ...] = ()
    names: tuple[str | None, ...] = ()
    zone: str = UTC

    def __str__(self) -> str:
        """Trino's own text of the type, as `typeof` prints it."""
        if self.name == "row":
            fields = [
                f"{name} {part}" if name else str(part) for name, part in zip(self.names, self.parts, strict=True)
            ]
            return f"row({', '.join(fields)})"
        if self.parts:
            return f"{self.name}({', '.join(map(str, self.parts))})"
        if self.name == "timestamp with time zone":
            return f"timestamp({self.numbers[0]}) with time zone"
        return f"{self.name}({','.join(map(str, self.numbers))})" if self.numbers else self.name

    @property
    def is_integer(self) -> bool:
        """A whole number of fixed width."""
        return self.name in _INTEGERS

    @property
    def is_number(self) -> bool:
        """Any type that arithmetic takes."""
        return self.is_integer or self.name in {"decimal", "double"}


UNKNOWN = Type("unknown")
BOOLEAN = Type("boolean")
INTEGER = Type("integer")
BIGINT = Type("bigint")
DOUBLE = Type("double")
REAL = Type("real")
"""Read from Parquet, compared, collected and cast to double; nothing is computed with it."""
VARCHAR = Type("varchar")
VARBINARY = Type("varbinary")
DATE = Type("date")
JSON = Type("json")
TIMESTAMP = Type("timestamp", (3,))
ZONED = Type("timestamp with time zone", (3,))
DAYS = Type("interval day to second")
MONTHS = Type("interval year to month")

_INTEGERS = ("tinyint", "smallint", "integer", "bigint")
_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
_DUCKDB = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "real": "FLOAT",
    "varchar": "VARCHAR",
    "varbinary": "BLOB",
    "date": "DATE",
    # a JSON value is its text; what can be asked of it goes through functions that read it
    "json": "VARCHAR",
    "timestamp": "TIMESTAMP",
    # the instant, in UTC; the zone is a part of the type
    "timestamp with time zone": "TIMESTAMP",
    "interval day to second": "INTERVAL",
    "interval year to month": "INTERVAL",
    "unknown": "INTEGER",
}
_HIVE = {"integer": "int", "real": "float", "varbinary": "binary", "varchar": "string"}
_HIVE_NAMES = {
    "int": "integer",
    "integer": "integer",
    "bigint": "bigint",
    "smallint": "smallint",
    "tinyint": "tinyint",
    "string": "varchar",
    "boolean": "boolean",
    "double": "double",
}


def decimal(precision: int, scale: int) -> Type:
    """Make `decimal(precision, scale)`, the precision cut to 38 digits as Trino does."""
    return Type("decimal", (min(precision, MAX_DECIMAL_DIGITS), scale))


def array(element: Type) -> Type:
    """Make `array(element)`."""
    return Type("array", parts=(element,))


def map_of(key: Type, value: Type) -> Type:
    """Make `map(key, value)`."""
    return Type("map", parts=(key, value))


def row(names: tuple[str | None, ...], parts: tuple[Type, ...]) -> Type:
    """Make a row of these fields."""
    return Type("row", parts=parts, names=names)


def as_decimal(type_: Type) -> Type:
    """The decimal that holds every value of an integer type; a decimal is itself."""
    return type_ if type_.name == "decimal" else decimal(_DIGITS[type_.name], 0)


def duckdb_type(type_: Type) -> str:
    """DuckDB's type for the values. Row fields are `f1`, `f2`, ...: DuckDB never sees names from a query."""
    if type_.name == "array":
        return f"{duckdb_type(type_.parts[0])}[]"
    if type_.name == "map":
        return f"MAP({duckdb_type(type_.parts[0])}, {duckdb_type(type_.parts[1])})"
    if type_.name == "row":
        return f"STRUCT({', '.join(f'f{i} {duckdb_type(part)}' for i, part in enumerate(type_.parts, 1))})"
    if type_.name == "decimal":
        return f"DECIMAL({type_.numbers[0]},{type_.numbers[1]})"
    return _DUCKDB[type_.name]


def from_hive(text: str) -> Type | None:
    """Read a flat Hive type of a Glue column; None: it is none that local AWS reads from JSON."""
    text = text.strip().lower()
    if text in _HIVE_NAMES:
        return Type(_HIVE_NAMES[text])
    match = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", text)
    return decimal(int(match[1]), int(match[2])) if match else None


def to_hive(type_: Type) -> str | None:  # noqa: PLR0911
    """Hive's text of a view column's type; None: the catalog cannot hold it, so Athena refuses the view."""
    parts = [to_hive(part) for part in type_.parts]
    if None in parts or (type_.name == "row" and None in type_.names):
        return None
    if type_.name == "array":
        return f"array<{parts[0]}>"
    if type_.name == "map":
        return f"map<{parts[0]},{parts[1]}>"
    if type_.name == "row":
        return f"struct<{','.join(f'{name}:{part}' for name, part in zip(type_.names, parts, strict=True))}>"
    if type_.name == "varchar" and type_.numbers:
        return f"varchar({type_.numbers[0]})"
    if type_.name == "decimal":
        return str(type_)
    if type_.name == "timestamp":
        # Hive timestamps in Athena hold milliseconds
        return "timestamp" if type_.numbers[0] <= TIMESTAMP.numbers[0] else None
    storable = type_.is_integer or type_.name in {"boolean", "double", "real", "varchar", "varbinary", "date"}
    return _HIVE.get(type_.name, type_.name) if storable else None


def common_type(left: Type, right: Type) -> Type | None:
    """The type that both turn into unasked; None: Trino has none (TypeCoercion of trino-main).

    Source: https://trino.io/docs/current/language/types.html and functions/conversion.html.
    """
    if right in (left, UNKNOWN):
        return left
    if left == UNKNOWN:
        return right
    if left.name == right.name:
        return _common_of_one_name(left, right)
    if left.is_number and right.is_number:
        return _common_number(left, right)
    names = (left.name, right.name)
    for narrow, wide in (("date", "timestamp"), ("date", ZONED.name), ("timestamp", ZONED.name)):
        if set(names) == {narrow, wide}:
            found = left if left.name == wide else right
            # the other one is in the session's zone, which is UTC
            return found if found.zone == UTC else Type(found.name, found.numbers, zone=MIXED)
    return None


def _common_of_one_name(left: Type, right: Type) -> Type | None:
    if left.name == "varchar":
        return Type("varchar", (max(left.numbers[0], right.numbers[0]),) if left.numbers and right.numbers else ())
    if left.name == "decimal":
        whole = max(left.numbers[0] - left.numbers[1], right.numbers[0] - right.numbers[1])
        scale = max(left.numbers[1], right.numbers[1])
        return decimal(whole + scale, scale)
    if left.parts:
        if len(left.parts) != len(right.parts):
            return None
        parts = [common_type(a, b) for a, b in zip(left.parts, right.parts, strict=True)]
        names = tuple(a if a == b else None for a, b in zip(left.names, right.names, strict=True))
        found = tuple(part for part in parts if part is not None)
        return Type(left.name, parts=found, names=names) if len(found) == len(parts) else None
    zone = left.zone if left.zone == right.zone else MIXED
    return Type(left.name, (max(left.numbers[0], right.numbers[0]),), zone=zone)


def _common_number(left: Type, right: Type) -> Type | None:
    if "double" in (left.name, right.name):
        return DOUBLE
    if "decimal" in (left.name, right.name):
        return common_type(as_decimal(left), as_decimal(right))
    return Type(_INTEGERS[max(_INTEGERS.index(left.name), _INTEGERS.index(right.name))])
