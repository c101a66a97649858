"""S3 prefixes of Firehose: checked when a delivery stream is created, evaluated for each object.

The rules are those of firehose/latest/dev/s3-prefixes.html. Of Java's DateTimeFormatter, the patterns that name parts
of a date and time in digits are known; any other letter is refused by name. Pure.
"""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

PROCESSING_FAILED = "processing-failed"
"""The error output type of records that the Lambda function did not convert."""
CONVERSION_FAILED = "format-conversion-failed"
"""The error output type of records that do not fit the schema."""

_DEFAULT_TIMESTAMP = "!{timestamp:yyyy/MM/dd/HH/}"
_EXPRESSION = re.compile(r"!\{([^{}:]*):([^{}]*)\}")
_EVALUATED_CHARACTERS = 512
_RANDOM_CHARACTERS = 11

_FIELDS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
# a quoted text, two quotes that stand for one, a run of one letter, or a character that stands for itself
_PATTERN_PART = re.compile(r"''|'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")
_RESERVED = "[]{}#"

_ERROR_TYPE = ("firehose", "error-output-type")
_RANDOM = ("firehose", "random-string")


class InvalidPrefixError(Exception):
    """The prefix breaks a rule of Firehose, or asks for what local AWS does not have."""


@dataclass(frozen=True)
class Prefixes:
    """Both prefixes of an S3 destination, checked.

    Attributes:
        delivered: Expression for delivered objects, with the date and hour that Firehose adds.
        failed: Expression for objects with records that failed.
        time_zone: What the times in both are told in.
    """

    delivered: str
    failed: str
    time_zone: ZoneInfo

    @classmethod
    def of(cls, prefix: str | None, error_output_prefix: str | None, time_zone: str | None = None) -> Prefixes:
        """Check the two prefixes as given, and complete them as Firehose does.

        Args:
            prefix: Prefix.
            error_output_prefix: ErrorOutputPrefix.
            time_zone: CustomTimeZone, a name of the IANA database; None is UTC.

        Raises:
            InvalidPrefixError: A rule is broken; the message names the setting and the rule.
        """
        try:
            zone = ZoneInfo(time_zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidPrefixError(f"CustomTimeZone: there is no time zone {time_zone}") from None
        prefix, given_failed = prefix or "", error_output_prefix or ""
        for name, text in (("Prefix", prefix), ("ErrorOutputPrefix", given_failed)):
            _check(name, text)
        if _ERROR_TYPE in _expressions(prefix):
            raise InvalidPrefixError("Prefix can't contain !{firehose:error-output-type}")
        if _expressions(prefix) and not given_failed:
            raise InvalidPrefixError("ErrorOutputPrefix can't be null when Prefix contains expressions")
        if _expressions(given_failed) and _ERROR_TYPE not in _expressions(given_failed):
            raise InvalidPrefixError(
                "ErrorOutputPrefix with expressions must contain !{firehose:error-output-type} at least once"
            )
        delivered = prefix if _has_timestamp(prefix) else prefix + _DEFAULT_TIMESTAMP
        failed = given_failed
        if not _expressions(given_failed):
            # the page states this for a missing ErrorOutputPrefix; for one of plain text it states nothing
            failed = f"{given_failed or prefix}!{{firehose:error-output-type}}/{_DEFAULT_TIMESTAMP}"
        prefixes = cls(delivered, failed, zone)
        for name, text in (("Prefix", delivered), ("ErrorOutputPrefix", failed)):
            if len(_evaluate(text, datetime.now(zone), CONVERSION_FAILED)) > _EVALUATED_CHARACTERS:
                raise InvalidPrefixError(f"{name} has more than {_EVALUATED_CHARACTERS} characters when evaluated")
        return prefixes

    def for_delivered(self, oldest_arrival: datetime) -> str:
        """Evaluate the prefix of an object with records that were delivered.

        Args:
            oldest_arrival: Approximate arrival of the oldest record in the object.
        """
        return _evaluate(self.delivered, oldest_arrival.astimezone(self.time_zone), "")

    def for_failed(self, oldest_arrival: datetime, error_type: str = PROCESSING_FAILED) -> str:
        """Evaluate the prefix of an object with records that failed.

        Args:
            oldest_arrival: Approximate arrival of the oldest record in the object.
            error_type: What failed.
        """
        return _evaluate(self.failed, oldest_arrival.astimezone(self.time_zone), error_type)


def formatted_time(pattern: str, instant: datetime) -> str:
    """Format an instant, in its own time zone, by a Java DateTimeFormatter pattern.

    Raises:
        InvalidPrefixError: The pattern has a letter, quote or bracket that is not known here.
    """
    text, position = "", 0
    while position < len(pattern):
        found = _PATTERN_PART.match(pattern, position)
        if found is None:
            raise InvalidPrefixError(f"the timestamp pattern {pattern} has a quote without an end")
        part, quoted = found.group(), found.group(1)
        if part == "''":
            text += "'"
        elif quoted is not None:
            text += quoted.replace("''", "'")
        elif part in _FIELDS:
            # strftime does not pad years everywhere
            text += f"{instant.year:04}" if part == "yyyy" else instant.strftime(_FIELDS[part])
        elif part[0].isalpha() or part in _RESERVED:
            raise InvalidPrefixError(
                f"local AWS does not know {part} in the timestamp pattern {pattern}; it knows {', '.join(_FIELDS)} "
                "and text in single quotes"
            )
        else:
            text += part
        position = found.end()
    return text


def _check(name: str, text: str) -> None:
    if "!{" in _EXPRESSION.sub("", text):
        raise InvalidPrefixError(f"{name}: the sequence !{{ can only appear in !{{namespace:value}} expressions")
    for namespace, value in _expressions(text):
        if namespace == "timestamp":
            if not value:
                raise InvalidPrefixError(f"{name}: a timestamp expression is empty")
            formatted_time(value, datetime.now(UTC))
        elif (namespace, value) not in (_ERROR_TYPE, _RANDOM):
            raise InvalidPrefixError(
                f"{name}: local AWS does not know the expression !{{{namespace}:{value}}}; it knows timestamp, "
                "firehose:error-output-type and firehose:random-string"
            )


def _expressions(text: str) -> list[tuple[str, str]]:
    return [(found.group(1), found.group(2)) for found in _EXPRESSION.finditer(text)]


def _has_timestamp(text: str) -> bool:
    return any(namespace == "timestamp" for namespace, _value in _expressions(text))


def _evaluate(text: str, instant: datetime, error_type: str) -> str:
    def value_of(found: re.Match[str]) -> str:
        expression = (found.group(1), found.group(2))
        if expression == _ERROR_TYPE:
            return error_type
        if expression == _RANDOM:
            letters = string.ascii_lowercase + string.digits
            return "".join(secrets.choice(letters) for _ in range(_RANDOM_CHARACTERS))
        return formatted_time(expression[1], instant)

    return _EXPRESSION.sub(value_of, text)
