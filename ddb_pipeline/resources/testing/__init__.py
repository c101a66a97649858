"""Test doubles of the resources, for the tests of any Dagster project: no AWS, no network, and no time passes.

    from ddb_pipeline.resources.testing import FakeAthena, FakeGlue

    def test_orders_are_counted():
        glue, athena = FakeGlue("orders"), FakeAthena()
        athena.answer("SELECT count(*) AS orders FROM orders", [(3,)], ["orders"])
        resources = {"crawler": glue.resource(), "athena": athena.resource()}
        assert dagster.materialize([orders_table, order_count], resources=resources).success
        assert glue.starts == 1

The resources are the real ones: only the boto3 client behind them is played. See docs/resources.md.
"""

from ddb_pipeline.resources.testing.fake_athena import FakeAthena
from ddb_pipeline.resources.testing.fake_glue import FakeGlue

__all__ = ["FakeAthena", "FakeGlue"]
