"""Arguments that decide over the SQL of a call, and so must be literals."""

from __future__ import annotations

from ddb_pipeline.local_aws.athena.signatures import Value


class UnsupportedArgumentError(Exception):
    """An argument that local AWS cannot take; the message says which."""


def text_literal(value: Value, what: str) -> str:
    """The text of a literal.

    Args:
        value: The argument.
        what: What it is, for the message.

    Raises:
        UnsupportedArgumentError: It is no literal.
    """
    if not isinstance(value.literal, str):
        raise UnsupportedArgumentError(f"local AWS needs {what} as a literal")
    return value.literal
