"""Pipelines and names as tests declare them, where no file and no deployment is needed."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import Any

from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.names import PublishedNames

NAMES = PublishedNames(**{field.name: f"the_{field.name}" for field in fields(PublishedNames)})


def pipeline(*keys: KeyAttribute, **more: Any) -> Pipeline:
    """The pipeline `persons` with these key attributes, `pk` of type S by default."""
    partition_key, sort_key = (*(keys or (KeyAttribute("pk", "S"),)), None)[:2]
    declared = {
        "name": "persons",
        "partition_key": partition_key,
        "sort_key": sort_key,
        "time_to_live_attribute": None,
        "start_date": date(2026, 1, 1),
        "crawl_schedule": "5 * * * *",
        "views_schedule": "30 6 * * *",
    }
    return Pipeline(**{**declared, **more})
