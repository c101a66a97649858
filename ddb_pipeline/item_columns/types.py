"""What is known of an attribute's values, and the column type that follows. Pure.

What is known only grows: types that were met, most digits before and after the point. The column type follows from it
alone, so types only widen, whatever the order in which hours are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ddb_pipeline.item_columns.expressions import ARRAY, DECIMAL_DIGITS

BIGINT_DIGITS = 18
"""A bigint has 19 digits, but not every number of 19 digits is one."""
_TYPES: Mapping[str, str] = {"S": "varchar", "BOOL": "boolean", "B": "varbinary", "SS": ARRAY, "NS": ARRAY}


@dataclass(frozen=True)
class Observation:
    """Values of one DynamoDB type that attributes of one path had in some change rows.

    Attributes:
        path: The attribute's name, then the names of members of nested maps.
        dynamodb_type: S, N, B, BOOL, NULL, M, L, SS, NS or BS.
        occurrences: In how many images.
        whole_digits: Most digits before the point of an N; a lone 0 counts as none.
        fraction_digits: Most digits after it.
    """

    path: tuple[str, ...]
    dynamodb_type: str
    occurrences: int
    whole_digits: int = 0
    fraction_digits: int = 0


@dataclass(frozen=True)
class Seen:
    """All that is known of the values of one path.

    Attributes:
        occurrences: Per DynamoDB type, in how many images of changes it was met.
        whole_digits: Most digits before the point of its numbers; a lone 0 counts as none.
        fraction_digits: Most digits after it.
    """

    occurrences: Mapping[str, int] = field(default_factory=dict)
    whole_digits: int = 0
    fraction_digits: int = 0

    @property
    def total(self) -> int:
        """In how many images the attribute was met."""
        return sum(self.occurrences.values())

    def and_also(self, found: Observation) -> Seen:
        """Return what is known after one more observation."""
        count = self.occurrences.get(found.dynamodb_type, 0) + found.occurrences
        return Seen(
            {**self.occurrences, found.dynamodb_type: count},
            max(self.whole_digits, found.whole_digits),
            max(self.fraction_digits, found.fraction_digits),
        )


NOTHING_SEEN = Seen()


def shown_types(seen: Seen, *, is_opened: bool) -> tuple[str, ...]:
    """Return the DynamoDB types that the attribute's own column shows; none: it has no column.

    Args:
        seen: What is known of its values.
        is_opened: Whether members of maps in it have columns of their own.
    """
    types = set(seen.occurrences) - {"NULL"}
    return () if is_opened and types == {"M"} else tuple(sorted(types))


def column_type(seen: Seen) -> str:
    """Return the narrowest column type that shows every value which was met: bigint, decimal(38,s), varchar.

    Lists, maps and binary sets are JSON text, and so is every value with members of an attribute of several types.
    """
    types = set(seen.occurrences) - {"NULL"}
    if types == {"N"}:
        return _number_type(seen.whole_digits, seen.fraction_digits)
    return _TYPES.get(types.pop(), "varchar") if len(types) == 1 else "varchar"


def _number_type(whole_digits: int, fraction_digits: int) -> str:
    if whole_digits <= BIGINT_DIGITS and fraction_digits == 0:
        return "bigint"
    if whole_digits + fraction_digits <= DECIMAL_DIGITS:
        return f"decimal({DECIMAL_DIGITS},{fraction_digits})"
    return "varchar"
