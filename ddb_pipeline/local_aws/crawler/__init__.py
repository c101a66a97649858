"""The local Glue crawler: crawls of catalog tables that really register partitions.

moto keeps crawlers but crawls nothing. Here its Glue backend gets crawlers that look into the local S3 and add the
hours that the catalog lacks, with the states, errors and history that a client of AWS sees. Everything that the
pipeline's crawler does not need is refused by name when the crawler is made.
"""

from __future__ import annotations

from moto.glue.models import glue_backends

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
    """Stop every crawl that is running, and wait until its thread has ended."""
    stop_crawls()
