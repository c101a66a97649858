"""JSON as DynamoDB writes it, and nothing looser.

Python's parser takes UTF-16, repeated names and NaN. Each of these would change or hide data on its way to S3, so
they are refused here. Standard library only, like everything in this folder: it runs as a Lambda function.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


class RefusedError(ValueError):
    """The record is not a change record. The message says why, and never quotes the record's content."""


def parse(data: bytes) -> Any:
    """Parse one JSON document.

    Args:
        data: UTF-8 text.

    Returns:
        dict, list, str, int, float, bool or None.

    Raises:
        RefusedError: The data is not UTF-8, not JSON, repeats a name inside one object, or holds NaN or Infinity.
        RecursionError: It is nested deeper than the interpreter can follow.
    """
    try:
        # json.loads(bytes) would guess UTF-16 and UTF-32 too
        return _DECODER.decode(data.decode("utf-8"))
    except RefusedError:
        raise
    except UnicodeDecodeError as error:
        raise RefusedError(f"not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise RefusedError(f"not JSON (character {error.pos})") from None
    except ValueError:
        raise RefusedError("not JSON that can be read: a number has too many digits") from None


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise RefusedError("a JSON object repeats a name")
    return content


def _refuse_constant(_name: str) -> NoReturn:
    raise RefusedError("NaN or Infinity is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object_without_repeats, parse_constant=_refuse_constant)
