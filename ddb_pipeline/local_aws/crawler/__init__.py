"""The local Glue crawler: crawls of catalog tables and of S3 paths.

moto keeps crawlers but crawls nothing. Here its Glue backend gets crawlers that look into the local S3: they add the
hours that a catalog table lacks, or make tables and partitions of what lies below a path, with the states, errors and
history that a client of AWS sees. What they do not do is refused by name when the crawler is made.
"""

from __future__ import annotations

from moto.glue.models import glue_backends

from ddb_pipeline.local_aws.crawler import scheduler
from ddb_pipeline.local_aws.crawler.backend import LocalGlueBackend
from ddb_pipeline.local_aws.crawler.model import stop_crawls

__all__ = ["install", "stop"]


def install() -> None:
    """Put the crawler into moto's Glue. To be called before Glue's first use: what moto held before is forgotten.

    A second call changes nothing.
    """
    if glue_backends.backend is LocalGlueBackend:
        return
    glue_backends.backend = LocalGlueBackend
    glue_backends.clear()


def stop() -> None:
    """Stop schedules and every crawl that is running, and wait until their threads have ended."""
    scheduler.stop()
    stop_crawls()
