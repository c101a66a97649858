"""Names of what is deployed."""

import dataclasses
import json

import pytest

from ddb_pipeline.names import ChangeTable, ComputedNames, PublishedNames, PublishedNamesError


def names(**changed: str) -> PublishedNames:
    values = {field.name: f"the-{field.name}" for field in dataclasses.fields(PublishedNames)}
    return PublishedNames(**{**values, **changed})


def test_computed_names_meet_the_rules_of_their_services():
    computed = ComputedNames("my_orders", "dev")
    assert computed.stack == "ddb-change-analytics-dev-my-orders"  # CloudFormation: no underscores
    assert computed.database == "ddb_dev_my_orders"  # Athena: no dashes
    assert computed.parameter == "/ddb-change-analytics/dev/my_orders"


def test_published_names_survive_the_parameter():
    assert PublishedNames.from_json(names().to_json()) == names()


def test_a_newer_stack_may_publish_more():
    text = json.dumps({**json.loads(names().to_json()), "later": "x"})
    assert PublishedNames.from_json(text) == names()


def test_the_change_tables_are_the_one_that_is_filled_now_and_the_one_of_the_other_format():
    now, other = names(format="parquet", other_format="json").change_tables

    assert now == ChangeTable("the-change_table", "the-changes_prefix", "parquet", "the-crawler")
    assert other == ChangeTable("the-other_change_table", "the-other_changes_prefix", "json", "the-other_crawler")


def test_a_stack_from_before_there_were_two_formats_has_one_table():
    old = {name: value for name, value in json.loads(names().to_json()).items() if "format" not in name}
    published = PublishedNames.from_json(json.dumps({**old, "other_change_table": ""}))

    assert [table.format for table in published.change_tables] == ["json"]


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"table": 1}'])
def test_a_parameter_of_another_version_says_to_deploy_again(text):
    with pytest.raises(PublishedNamesError, match=r"is not JSON|deploy it again"):
        PublishedNames.from_json(text)
