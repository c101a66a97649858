"""docs/resources.md: its example is run as it stands there, and what the resources need of this project is little."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ddb_pipeline_tests.documented import python_blocks
from ddb_pipeline_tests.unit.test_house_rules import imports, modules

PAGE = Path(__file__).parents[2] / "docs" / "resources.md"

ALONE = {
    "ddb_pipeline.errors",
    "ddb_pipeline.sql_text",
    "ddb_pipeline.resources.boto_resource",
    "ddb_pipeline.resources.console",
    "ddb_pipeline.resources.crawls",
    "ddb_pipeline.resources.patience",
    "ddb_pipeline.resources.prices",
    "ddb_pipeline.resources.remembered",
    "ddb_pipeline.resources.steps",
    "ddb_pipeline.resources.waiting",
    "ddb_pipeline.resources.whole_answers",
    "ddb_pipeline.resources.glue_crawler",
    "ddb_pipeline.resources.athena",
    "ddb_pipeline.resources.athena_finding",
    "ddb_pipeline.resources.athena_parameters",
    "ddb_pipeline.resources.athena_queries",
    "ddb_pipeline.resources.athena_results",
}
"""All that the two resources are made of: nothing of pipelines, stages, names or settings of this project."""


def test_the_example_and_its_test_run_as_they_stand_on_the_page(monkeypatch: pytest.MonkeyPatch):
    blocks = python_blocks(PAGE)
    orders, test = ModuleType("orders"), ModuleType("test_orders")
    monkeypatch.setitem(sys.modules, "orders", orders)
    exec(compile(blocks["orders.py"], "orders.py", "exec", dont_inherit=True), orders.__dict__)
    exec(compile(blocks["test_orders.py"], "test_orders.py", "exec", dont_inherit=True), test.__dict__)

    assert orders.defs.resolve_all_asset_specs()
    test.test_orders_are_crawled_and_counted()


def test_the_resources_stand_alone():
    reached: set[str] = set()
    waiting = ["ddb_pipeline.resources.glue_crawler", "ddb_pipeline.resources.athena"]
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting += [name for name in imports()[module] & modules().keys() if name not in reached]

    assert reached == ALONE


def test_the_page_names_each_setting_and_argument():
    import inspect

    from ddb_pipeline.resources.athena import AthenaResource
    from ddb_pipeline.resources.glue_crawler import GlueCrawlerResource

    text = PAGE.read_text(encoding="utf-8")
    names = {
        *AthenaResource.model_fields,
        *GlueCrawlerResource.model_fields,
        *inspect.signature(AthenaResource.execute).parameters,
        *inspect.signature(GlueCrawlerResource.crawl).parameters,
    }
    said = set(re.findall(r"\w+", text))
    assert names - {"self"} <= said
