"""What libraries do again and again in a process of many tests, done once. None of it changes what they answer.

A process that runs one pipeline does each of these things once or a few times; the tests do them thousands of times.
"""

from __future__ import annotations

import gc
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import botocore.parsers
import botocore.session
import botocore.useragent
import moto.core.utils

# a collection of the oldest objects, half a million of them, took a fifth of a second, and found nothing
_YOUNG_OBJECTS = 20_000
_COLLECTIONS = 20


def lighten() -> None:
    """Keep what was read, and look for garbage less often. To be called once, before the first test."""
    # each boto3 session reads megabytes of service models, and moto the same ones
    botocore.session.create_loader = moto.core.utils.create_loader = cache(botocore.session.create_loader)
    # each request looks at every letter of the same few words
    kept = lru_cache(maxsize=1000)(botocore.useragent.sanitize_user_agent_string_component)
    botocore.useragent.sanitize_user_agent_string_component = kept
    # and each answer takes the same moments apart again
    read = botocore.parsers.DEFAULT_TIMESTAMP_PARSER
    read_text = lru_cache(maxsize=10_000)(read)

    def moment(value: Any) -> datetime:
        return read_text(value) if isinstance(value, str) else read(value)

    botocore.parsers.DEFAULT_TIMESTAMP_PARSER = moment
    gc.set_threshold(_YOUNG_OBJECTS, _COLLECTIONS, _COLLECTIONS)


def lighten_dagster() -> None:
    """Make Dagster's instances in memory without a note of their schema's version: nobody migrates them."""
    from dagster._core.storage.event_log import in_memory as events
    from dagster._core.storage.runs import in_memory as runs

    for module in (events, runs):
        module.stamp_alembic_rev = lambda *_arguments, **_named: None
