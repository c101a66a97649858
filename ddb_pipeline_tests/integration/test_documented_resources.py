"""The example of docs/resources.md against local AWS: a real crawl of S3, a real query with a parameter."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from dagster import materialize

from ddb_pipeline.cli import local_stack
from ddb_pipeline.resources.athena import AthenaResource
from ddb_pipeline.resources.glue_crawler import GlueCrawlerResource
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.documented import python_blocks

PAGE = Path(__file__).parents[2] / "docs" / "resources.md"


def test_the_example_crawls_and_counts(deployed: Deployed, monkeypatch: pytest.MonkeyPatch):
    s3, glue, bucket = deployed.client("s3"), deployed.client("glue"), f"shop-{uuid.uuid4()}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    for day, countries in (("2026-03-05", ["DE", "FR", "DE"]), ("2026-03-06", ["IT"])):
        lines = "".join(json.dumps({"country": country}) + "\n" for country in countries)
        s3.put_object(Bucket=bucket, Key=f"orders/day={day}/a.json", Body=lines.encode())
    glue.create_database(DatabaseInput={"Name": "shop"})
    targets = {"S3Targets": [{"Path": f"s3://{bucket}/orders/"}]}
    glue.create_crawler(Name="orders", Role="arn:aws:iam::123456789012:role/x", DatabaseName="shop", Targets=targets)
    orders = ModuleType("orders")
    monkeypatch.setitem(sys.modules, "orders", orders)
    exec(compile(python_blocks(PAGE)["orders.py"], "orders.py", "exec", dont_inherit=True), orders.__dict__)
    settings = local_stack.environment(deployed.endpoint)
    place: dict[str, Any] = {
        "region_name": local_stack.REGION,
        "endpoint_url": deployed.endpoint,
        "aws_access_key_id": settings["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": settings["AWS_SECRET_ACCESS_KEY"],
    }
    workgroup = deployed.names["persons"].workgroup

    done = materialize(
        [orders.orders_table, orders.orders_of_a_day],
        resources={
            "crawler": GlueCrawlerResource(**place),
            "athena": AthenaResource(workgroup=workgroup, database="shop", **place),
        },
    )

    (crawl,) = done.asset_materializations_for_node("orders_table")
    (query,) = done.asset_materializations_for_node("orders_of_a_day")
    assert crawl.metadata["crawl_partitions_added"].value == 2
    assert query.metadata["countries"].value == 2
    assert int(query.metadata["bytes_scanned"].value) > 0
