"""The synthesized templates that the tests of infra_cdk read: made once for all of them, it takes seconds."""

import dataclasses
import functools
import importlib
import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from ddb_pipeline.declaration import Declaration, KeyAttribute, Pipeline, load_declaration
from infra_cdk.app import make_app

# Not an import statement, which would be sorted before those of infra_cdk: that one finds Node for aws_cdk.
assertions = importlib.import_module("aws_cdk.assertions")
aws_cdk, cdk_nag = (importlib.import_module(name) for name in ("aws_cdk", "cdk_nag"))
Match, Template = assertions.Match, assertions.Template

REPOSITORY = Path(__file__).parents[2]
MAIL = "team@example.org"
OPERATOR, READER = (f"arn:aws:iam::111122223333:role/{name}" for name in ("dagster", "analyst"))

ORDERS = Pipeline(
    name="order_lines",
    partition_key=KeyAttribute(name='Customer."Id"', type="B"),
    sort_key=KeyAttribute(name="person", type="N"),
    time_to_live_attribute=None,
    start_date=date(2026, 1, 1),
    crawl_schedule="5 * * * *",
    views_schedule="30 6 * * *",
    baseline="export",
    format="parquet",
    catalog="projection",
)


def declaration() -> Declaration:
    """The project's own pipeline.toml, and a second pipeline that chooses otherwise wherever there is a choice.

    In `dev` somebody is told of alarms and of the budget, and Lake Formation decides who sees the catalog.
    """
    own = load_declaration(REPOSITORY / "pipeline.toml")
    dev = dataclasses.replace(
        own.stages["dev"],
        alarm_mail=MAIL,
        budget_usd=50,
        lake_formation_operators=(OPERATOR,),
        lake_formation_readers=(READER,),
    )
    return dataclasses.replace(own, pipelines={**own.pipelines, ORDERS.name: ORDERS}, stages={**own.stages, "dev": dev})


@functools.cache
def assembly() -> Path:
    """All pipelines in all stages, and what cdk-nag says of them; the directory goes when the test process ends."""
    folder = tempfile.TemporaryDirectory()
    _folders.append(folder)
    return synthesized(declaration(), Path(folder.name) / "assembly")


def synthesized(wanted: Declaration, directory: Path) -> Path:
    """Write an assembly with the report of the CDK's validation and of cdk-nag."""
    app = make_app(wanted, directory)
    aws_cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        # the templates are written all the same, and test_infra_rules shows what was found
        if "ValidationFailed" not in str(error.__cause__) + str(error):
            raise
    return directory


_folders: list[tempfile.TemporaryDirectory] = []


def template(stage: str, pipeline: str = "persons") -> dict[str, Any]:
    name = f"ddb-change-analytics-{stage}-{pipeline.replace('_', '-')}.template.json"
    return json.loads((assembly() / name).read_text(encoding="utf-8"))


def all_templates() -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in assembly().glob("*.template.json")}


def resources(stage: str, resource_type: str, pipeline: str = "persons") -> dict[str, dict[str, Any]]:
    """The resources of a type by their logical ids."""
    found = template(stage, pipeline)["Resources"]
    return {name: resource for name, resource in found.items() if resource["Type"] == resource_type}


def resource(stage: str, resource_type: str, pipeline: str = "persons") -> dict[str, Any]:
    """The only resource of a type."""
    found = resources(stage, resource_type, pipeline)
    assert len(found) == 1, sorted(found)
    return next(iter(found.values()))


def resolved(value: Any, names: dict[str, str]) -> Any:
    """A value as CloudFormation makes it: Ref, Fn::GetAtt and Fn::Join give what `names` says, or their own target."""
    if isinstance(value, list):
        return [resolved(part, names) for part in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": str(target)}:
            return names.get(target, target)
        case {"Fn::GetAtt": [str(target), str(attribute)]}:
            return names.get(f"{target}.{attribute}", f"{target}.{attribute}")
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(resolved(part, names) for part in parts)
    return {key: resolved(part, names) for key, part in value.items()}
