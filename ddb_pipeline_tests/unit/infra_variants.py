"""Stacks of an existing table, with settings and longest names of their own, and how their templates are read."""

import dataclasses

from ddb_pipeline.declaration import ByStage, KeyAttribute
from ddb_pipeline_tests.unit.infra_templates import ORDERS, declaration, resolved, synthesized
from ddb_pipeline_tests.unit.test_infra_permissions import NAMES, policy_documents

GIVEN_KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TABLE_KEY = "arn:aws:kms:eu-west-1:111122223333:key/abcd1234-12ab-34cd-56ef-1234567890ab"
CATALOG_KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-ab12-34cd-56ef-1234567890ab"
STAGE = "s" * 16
"""The longest name that a stage may have."""
PIPELINE = "p" * 32


def synthesize(folder):
    """Two stages with the longest names and all settings of their own: one keeps its data, one does not."""
    own = declaration()
    orders = dataclasses.replace(
        ORDERS,
        name=PIPELINE,
        format="json",
        catalog="crawler",
        partition_key=KeyAttribute("id", "B"),
        sort_key=KeyAttribute("line", "N"),
        existing_table=ByStage(everywhere="Orders.v2"),
        existing_table_key=ByStage(stages=(("kept", TABLE_KEY),)),
    )
    settings = {
        "stream_mode": "provisioned",
        "stream_shards": 3,
        "stream_retention_hours": 48,
        "compression": "none",
        "encryption_key": GIVEN_KEY,
        "catalog_key": CATALOG_KEY,
    }
    stages = {
        name: dataclasses.replace(own.stages[like], name=name, **settings)
        for name, like in ((STAGE, "dev"), ("kept", "prod"))
    }
    return synthesized(dataclasses.replace(own, pipelines={PIPELINE: orders}, stages=stages), folder)


def found(document, resource_type, part=""):
    return {
        name: resource
        for name, resource in document["Resources"].items()
        if resource["Type"] == resource_type and part in name
    }


def only(document, resource_type, part=""):
    (resource,) = found(document, resource_type, part).values()
    return resource


def statements_in(resource):
    return [statement for policy in policy_documents(resource) for statement in policy["Statement"]]


def statements(document, part):
    """Statements of a function's role by their ids."""
    found_there = statements_in(only(document, "AWS::IAM::Role", part))
    return {one["Sid"]: resolved(one, NAMES) for one in found_there if "Sid" in one}


def by_file(documents):
    return {f"ddb-change-analytics-{name}-{PIPELINE}.template.json": document for name, document in documents.items()}
