"""What DynamoDB answers to values that it refuses."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from contextlib import contextmanager

from moto.dynamodb.exceptions import MockValidationException, SerializationException

from ddb_pipeline.local_aws.change_stream.attribute_values import InvalidValueError, UnreadableValueError

NUMBER_ARITHMETIC = decimal.Context(prec=38, Emin=-999_999, Emax=999_999, traps=[decimal.Inexact])
"""In which an update adds and subtracts: a result that DynamoDB cannot hold raises `decimal.Inexact`."""


@contextmanager
def dynamodb_errors() -> Iterator[None]:
    """Answer values that DynamoDB refuses as DynamoDB does.

    Raises:
        SerializationException: A value cannot be read.
        MockValidationException: A value is none that DynamoDB has, or a number is beyond what it holds.
    """
    try:
        yield
    except UnicodeEncodeError:
        # "\\ud800" alone is JSON, but no text
        raise SerializationException("Text that UTF-8 cannot hold (half a surrogate pair)") from None
    except UnreadableValueError as error:
        raise SerializationException(str(error)) from None
    except InvalidValueError as error:
        raise MockValidationException(str(error)) from None
    except decimal.Inexact:
        raise MockValidationException("Number overflow. The result has more than 38 significant digits") from None
