"""Least privilege, proved: what the pipeline and its functions call in a full run is what their policies allow.

Nothing is missing, so that nothing fails on AWS for want of a right; nothing is left over.
"""

from __future__ import annotations

import ast
import gzip
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from click.testing import CliRunner
from dagster import DagsterInstance, ExecuteInProcessResult, RepositoryDefinition, build_sensor_context

from ddb_pipeline.baseline_making.making import Making
from ddb_pipeline.baselines import BASELINES_PREFIX, CANDIDATE_TABLE, EXPORTED_TABLE, TABLE_NAME
from ddb_pipeline.cli import local_stack, main
from ddb_pipeline.declaration import FILE_VARIABLE, load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.local_aws import delivery
from ddb_pipeline.local_aws.crawler import model
from ddb_pipeline.local_aws.deployment import deploy
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.run_failures.described import RunFailure
from ddb_pipeline.run_failures.notifiers import TopicNotifier
from ddb_pipeline_tests.conftest import REPOSITORY
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.iam_actions import GLUE_CRAWLER_OPERATIONS, Need, Place, needs
from ddb_pipeline_tests.jobs import with_the_state_alone
from ddb_pipeline_tests.parsed import parsed
from ddb_pipeline_tests.policies import Grant, covered, grants, in_names_of, unused
from ddb_pipeline_tests.recorded_calls import Call, recording

PIPELINE = "guarded"
PLAIN = "plain"
"""The same without baselines and crawlers: it makes the calls that remain then."""
MARGIN_SECONDS = 2
CATALOG_KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
DECLARED = f"""
[pipelines.{PIPELINE}]
partition_key = {{ name = "pk", type = "S" }}
start_date = 2026-11-01
baseline = "export"

[pipelines.{PLAIN}]
partition_key = {{ name = "pk", type = "S" }}
start_date = 2026-01-01
catalog = "projection"

[stages.local]
buffer_seconds = 1
measure = "each"
keep_data = false
confirm_data_loss = "local"
baseline_margin_seconds = {MARGIN_SECONDS}
catalog_key = "{CATALOG_KEY}"
"""
CALLER = "the-pipeline"
"""Access key of what Dagster loads, and of the command line."""

SLOW = (
    "SELECT count(*) FROM UNNEST(sequence(1, 9999)) AS one(x) CROSS JOIN UNNEST(sequence(1, 9999)) AS other(y) "
    "CROSS JOIN UNNEST(sequence(1, 99)) AS third(z) WHERE x * y * z % 7 = 3"
)

# Allowed, but not seen in the run, with the reason: statement, action, how the resource ends; empty is any
UNUSED = {
    ("Crawl", "", "crawler/{other_crawler}"): "of the other format, for who changes it",
    ("RepairHours", "", "table/{database}/{other_change_table}"): "likewise",
    ("RegisterBaselines", "glue:CreatePartition", "/baseline_candidates"): "Athena registers it, with either right",
    ("RegisterBaselines", "glue:BatchCreatePartition", "/baselines"): "we register it, one by one",
    ("RegisterBaselines", "glue:BatchCreatePartition", "/exported_items"): "likewise",
    ("WriteRows", "s3:AbortMultipartUpload", ""): "only what fails in the middle of a large file is broken off",
}

OF_CRAWLERS_AND_BASELINES = {
    *GLUE_CRAWLER_OPERATIONS,
    "BatchCreatePartition",
    "BatchUpdatePartition",
    "DescribeExport",
    "ExportTableToPointInTime",
    "Invoke",
}

# Operations that the code names and the run does not reach, with the reason
UNREACHED = {"query": "a word of our own too; nobody calls the Query of DynamoDB"}


@dataclass(frozen=True)
class Run:
    """What a full run called, and what its callers may do.

    Attributes:
        calls: The calls.
        names: Names of what was deployed.
        policies: What each caller may do, by its access key.
        plain_names: Names of the pipeline without baselines and crawlers.
        plain_policy: What Dagster may do for that.
        log_groups: Where each function logs, by its access key.
    """

    calls: list[Call]
    names: PublishedNames
    policies: dict[str, list[Grant]]
    plain_names: PublishedNames
    plain_policy: list[Grant]
    log_groups: dict[str, str]

    def needs(self, caller: str) -> set[Need]:
        """What a caller needed."""
        place = Place(self.names, CATALOG_KEY)
        called = {need for call in self.calls if call.caller == caller for need in needs(call, place)}
        if caller in self.log_groups:
            # Lambda logs with the role of the function (dg/monitoring-cloudwatchlogs.html)
            stream = place.arn("logs", f"log-group:{self.log_groups[caller]}:log-stream:one")
            called |= {Need("logs:CreateLogStream", stream), Need("logs:PutLogEvents", stream)}
        return called


@pytest.fixture(scope="module")
def run(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "pipeline.toml"
    file.write_text(DECLARED, encoding="utf-8")
    declaration = load_declaration(file)
    deploy(local_stack.synthesize(declaration, folder / "assembly"), deployed.endpoint, local_stack.REGION)
    published = local_stack.published_names(declaration, deployed.endpoint)
    names = published[PIPELINE]
    stage = Deployed(deployed.endpoint, declaration, published)
    functions = (names.item_loader, names.baseline_converter)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in local_stack.environment(deployed.endpoint).items():
            patch.setenv(name, value)
        patch.setenv("AWS_ACCESS_KEY_ID", CALLER)
        patch.setenv(FILE_VARIABLE, str(file))
        with recording({CALLER, *functions}, patch) as calls:
            everything(stage, file)
        calls = list(calls)
    policies = {CALLER: list(grants(managed_policies(stage, PIPELINE)))}
    policies |= {name: list(grants(role_policy(stage, name))) for name in functions}
    log_groups = {name: configuration(stage, name)["LoggingConfig"]["LogGroup"] for name in functions}
    plain_policy = list(grants(managed_policies(stage, PLAIN)))
    return Run(calls, names, policies, published[PLAIN], plain_policy, log_groups)


def everything(stage: Deployed, file: Path) -> None:
    """Do what the pipeline does in its life, and what its people do with the command."""
    loader = stage.names[PIPELINE].item_loader
    answer = stage.client("lambda").invoke(FunctionName=loader, Payload=b'{"batchSize": 60}')
    assert "FunctionError" not in answer
    # a record that the converter refuses
    stream = stage.names[PIPELINE].change_stream
    stage.client("kinesis").put_record(StreamName=stream, Data=b"no change", PartitionKey="1")
    assert delivery.wait_until_delivered(60)

    with PipelineAwsResource(declaration_file=str(file)).deployment(PIPELINE) as deployment:
        # an export is safe some time after the capture of changes was first seen active
        with pytest.raises(PipelineError, match="an export is safe from"):
            Making(deployment, note=lambda _line: None).run()
        time.sleep(MARGIN_SECONDS + 1)

    loaded = build_definitions(stage.declaration).get_repository_def()
    with DagsterInstance.ephemeral() as instance:
        context = build_sensor_context(instance, repository_def=loaded, resources=loaded.get_top_level_resources())
        for sensor in ("arrivals", "deliveries"):
            loaded.get_sensor_def(f"{PIPELINE}_{sensor}")(context)
        result = baseline(stage, loaded, instance)
        assert loaded.get_job(f"{PIPELINE}_replay_failed_deliveries").execute_in_process(instance=instance).success
        assert result.success, [event.message for event in result.all_events if event.is_failure]
        damage(stage)
        assert loaded.get_job(f"{PIPELINE}_repair").execute_in_process(instance=instance).success

    with PipelineAwsResource(declaration_file=str(file)).deployment(PIPELINE) as deployment:
        late(deployment)
        read_by_key(deployment)
        # an erasure would have noted when an object was first stored: whoever meets an old hour asks
        assert deployment.raw_bucket.first_stored(deployment.raw_bucket.all_hours()[-1])
        (made,) = deployment.baselines.manifests()
        deployment.baselines.retire(made.baseline_id)
    TopicNotifier(declaration_file=str(file)).notify(
        RunFailure((PIPELINE,), "local", "a_job", "a-run", (), "somebody tests", None)
    )
    asked = CliRunner().invoke(main, ["query", "--pipeline", PIPELINE, "SHOW TABLES"])
    assert asked.exit_code == 0, asked.output


def baseline(stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance) -> ExecuteInProcessResult:
    """The job that crawls, looks for attributes, makes a baseline and the views, and checks."""
    job = with_the_state_alone(loaded, f"{PIPELINE}_baseline", stage.declaration.pipelines[PIPELINE])
    return job.execute_in_process(instance=instance, raise_on_error=False)


def damage(stage: Deployed) -> None:
    """Let somebody drop a table, change another one and a partition of it; and let an hour be in S3 alone."""
    names, glue = stage.names[PIPELINE], stage.client("glue")
    table = {"DatabaseName": names.database, "TableName": names.change_table}
    glue.delete_table(DatabaseName=names.database, Name="exported_items")
    described = glue.get_table(DatabaseName=names.database, Name=names.change_table)["Table"]
    changed = {name: described[name] for name in ("Name", "PartitionKeys", "StorageDescriptor", "TableType")}
    glue.update_table(DatabaseName=names.database, TableInput=changed)
    (partition,) = glue.get_partitions(**table)["Partitions"]
    astray = {**partition["StorageDescriptor"], "Location": f"s3://{names.raw_bucket}/elsewhere/"}
    values = partition["Values"]
    glue.update_partition(
        **table, PartitionValueList=values, PartitionInput={"Values": values, "StorageDescriptor": astray}
    )
    key = f"{names.changes_prefix}year=2026/month=11/day=02/hour=03/one.json.gz"
    stage.client("s3").put_object(Bucket=names.raw_bucket, Key=key, Body=gzip.compress(b""))


def late(deployment: Deployment) -> None:
    """Let a query be late and a crawl be interrupted: both are stopped."""
    with pytest.raises(PipelineError):
        deployment.athena.execute(SLOW, deadline_seconds=0)
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(model, "RUNNING_SECONDS", 60)  # or until it is stopped
        crawler = deployment.crawler
        crawler.with_client(crawler.get_client(), sleep=interrupted)
        with pytest.raises(KeyboardInterrupt):
            crawler.crawl(deployment.names.crawler)


def interrupted(_seconds: float) -> None:
    """A person terminates the run while it waits."""
    raise KeyboardInterrupt


def read_by_key(deployment: Deployment) -> None:
    """Read an item as the check does that compares items of the view; here its page of a scan holds them all."""
    deployment.table_items.get([{"pk": {"S": "nobody"}}])


# --- policies, as they were deployed


def managed_policies(stage: Deployed, pipeline: str) -> dict[str, Any]:
    """Both policies for Dagster as one."""
    iam, statements = stage.client("iam"), []
    for found in iam.list_policies(Scope="Local")["Policies"]:
        if found["PolicyName"].startswith(f"ddb-change-analytics-local-{pipeline}-"):
            version = iam.get_policy_version(PolicyArn=found["Arn"], VersionId=found["DefaultVersionId"])
            statements += document(version["PolicyVersion"]["Document"])["Statement"]
    return {"Statement": statements}


def role_policy(stage: Deployed, function: str) -> dict[str, Any]:
    role = configuration(stage, function)["Role"].rpartition("/")[2]
    iam = stage.client("iam")
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return document(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])


def configuration(stage: Deployed, function: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.client("lambda").get_function_configuration(FunctionName=function)
    return found


def document(found: Any) -> dict[str, Any]:
    return json.loads(found) if isinstance(found, str) else found


# --- the proof


def test_everyone_may_do_what_they_do(run: Run):
    missing = {
        (caller, need.action, need.resource)
        for caller, policy in run.policies.items()
        for need in run.needs(caller)
        if not covered(need, policy)
    }
    assert missing == set()


def test_nobody_may_do_what_nobody_does(run: Run):
    found = {grant for caller, policy in run.policies.items() for grant in unused(policy, run.needs(caller))}
    rows = {grant: row_of_unused(grant, run.names) for grant in found}
    assert {grant for grant, row in rows.items() if row is None} == set()
    assert set(rows.values()) == set(UNUSED)


def row_of_unused(grant: Grant, names: PublishedNames) -> tuple[str, str, str] | None:
    for sid, action, end in UNUSED:
        is_so = grant.sid == sid and action in {"", grant.action}
        if is_so and grant.resource.endswith(end.format(**asdict(names))):
            return sid, action, end
    return None


def test_who_has_no_baselines_and_no_crawlers_may_do_what_remains_and_no_more(run: Run):
    """Without a run of its own: what remains of the other pipeline's, which makes all the calls of this one."""
    place = Place(run.names, CATALOG_KEY)
    calls = [call for call in run.calls if call.caller == CALLER and not is_left_out(call)]
    needed = {need for call in calls for need in needs(call, place)}
    policy = in_names_of(run.plain_policy, asdict(run.plain_names), asdict(run.names))

    assert {need for need in needed if not covered(need, policy)} == set()
    assert unused(policy, needed) == set()


def is_left_out(call: Call) -> bool:
    """Whether a call crawls, registers an hour, or is about baselines."""
    text = json.dumps(call.parameters)
    marks = (BASELINES_PREFIX, CANDIDATE_TABLE, EXPORTED_TABLE, f" {TABLE_NAME}", f'"{TABLE_NAME}"')
    return call.operation in OF_CRAWLERS_AND_BASELINES or any(mark in text for mark in marks)


def test_every_caller_was_heard(run: Run):
    assert {call.caller for call in run.calls} == set(run.policies)


def test_the_run_reaches_every_operation_that_the_code_names(run: Run):
    operations = operations_of({call.service for call in run.calls})
    named = set()
    for path in sorted((REPOSITORY / "ddb_pipeline").rglob("*.py")):
        if not {"local_aws", "cli", "testing"} & set(path.relative_to(REPOSITORY).parts):
            named |= words(path) & operations
    seen = {xform_name(call.operation) for call in run.calls}
    assert named - seen == set(UNREACHED)


def operations_of(services: set[str]) -> set[str]:
    """Operations of services as boto3 calls them."""
    loader = Loader()
    found = set()
    for service in services:
        model = json.loads(json.dumps(loader.load_service_model(service, "service-2")))
        found |= {xform_name(name) for name in model["operations"]}
    return found


def words(path: Path) -> set[str]:
    """Names of attributes and texts in a module: where a call of boto3 has its operation."""
    nodes = list(ast.walk(parsed(path)))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_a_right_that_is_taken_away_is_missed(run: Run):
    """The proof of the proof: without any one of the grants that are used, something is missing."""
    for caller, policy in run.policies.items():
        needed = run.needs(caller)
        for taken in set(policy) - unused(policy, needed):
            # two statements for some tables each have the same catalog and database
            others = [grant for grant in policy if replace(grant, sid=taken.sid) != taken]
            assert any(not covered(need, others) for need in needed), (caller, taken)


def test_a_right_to_less_is_missed(run: Run):
    policy = run.policies[CALLER]
    narrower = [replace(grant, resource=grant.resource.replace("/changes/*", "/other/*")) for grant in policy]
    assert any(not covered(need, narrower) for need in run.needs(CALLER))
