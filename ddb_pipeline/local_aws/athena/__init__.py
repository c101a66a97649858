"""The local Athena: queries that really run, in DuckDB, over the local S3 and the local Glue catalog.

A query is parsed, compiled node by node to DuckDB SQL of the same meaning, and run in the background. What is not
known to mean the same fails by name, with Athena's kind of error: local AWS gives no wrong answers.

- `api`, `backend`, `execution`: Athena's API and states, on top of moto's.
- `statements`, `engine`, `catalog`, `storage`, `views`, `results`: from text to result file.
- `dialect`, `query`, `select`, `sources`, `expressions`, `special_forms`, `operators`, `casts`, `types`: the compiler.
- `functions`, `macros`: the list of what is known, and DuckDB's helpers for it.
"""

from __future__ import annotations

from moto.athena.models import athena_backends

from ddb_pipeline.local_aws.athena.backend import LocalAthenaBackend, close_engines

__all__ = ["install", "stop"]


def install() -> None:
    """Put the engine into moto's Athena. To be called before Athena's first use: what moto held is forgotten.

    A second call changes nothing.
    """
    if athena_backends.backend is LocalAthenaBackend:
        return
    athena_backends.backend = LocalAthenaBackend
    athena_backends.clear()


def stop() -> None:
    """Interrupt every query that is running, wait until its thread has ended, and remove all local copies."""
    close_engines()
