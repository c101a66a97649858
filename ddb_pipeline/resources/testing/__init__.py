"""Test doubles of the resources, for the tests of any Dagster project: no AWS, no network, and no time passes.

    from ddb_pipeline.resources.testing import FakeGlue

    def test_the_table_is_crawled():
        glue = FakeGlue("orders", partitions_added=2)
        result = dagster.materialize([orders_table], resources={"crawler": glue.resource()})
        assert result.success and glue.starts == 1

The resources are the real ones: only the boto3 client behind them is played.
"""

from ddb_pipeline.resources.testing.fake_glue import FakeGlue

__all__ = ["FakeGlue"]
