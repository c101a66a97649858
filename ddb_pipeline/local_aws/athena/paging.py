"""Pages of the API's lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ddb_pipeline.local_aws.athena.errors import InvalidRequestError

MAX_PAGE = 50
"""Most items of a page, and how many there are unless asked for fewer."""
Item = TypeVar("Item")


def page(items: Sequence[Item], token: str | None, limit: int | None) -> tuple[list[Item], str | None]:
    """Cut a page out of a list.

    Args:
        items: The whole list.
        token: NextToken of the request.
        limit: MaxResults of the request.

    Returns:
        The items, and the token of the next page; None: this is the last.

    Raises:
        InvalidRequestError: The token is none that was given out, or the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise InvalidRequestError(f"MaxResults is {limit}; the least is 1")
    start, count = offset(token), min(limit or MAX_PAGE, MAX_PAGE)
    following = str(start + count) if len(items) > start + count else None
    return list(items[start : start + count]), following


def offset(token: str | None) -> int:
    """Place where a page starts.

    Raises:
        InvalidRequestError: The token is none that was given out.
    """
    if token is None:
        return 0
    if not (token.isascii() and token.isdecimal()):
        raise InvalidRequestError("NextToken is not one that this operation returned")
    return int(token)
