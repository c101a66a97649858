"""`ddb-pipeline deploy`, `diff`, `env` and `destroy` with the CDK's own command line, against local AWS.

The CDK's command line comes from the npm registry: where none answers these tests are skipped, and say why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ddb_pipeline.cli import local_stack, main
from ddb_pipeline.declaration import FILE_VARIABLE
from ddb_pipeline.names import ComputedNames, PublishedNames
from ddb_pipeline_tests.end_to_end.processes import command, project_copy, set_in_stage

pytestmark = pytest.mark.usefixtures("cdk_command_line")

KEPT_SECRET = "  The credentials are those of this shell: they are not written down; start Dagster from here."
STACK = ComputedNames("persons", "dev").stack


class Project:
    """A clone, and the account that its stage dev goes to."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self.variables = local_stack.environment(endpoint)
        del self.variables["DDB_PIPELINE_STAGE"]
        self.endpoint = endpoint

    def run(self, *words: str) -> tuple[int, str]:
        """Exit code and output of a command in a process of its own, as a user runs it."""
        with command(["ddb_pipeline.cli", *words], self.folder, self.variables) as run:
            return run.wait(), run.output

    def run_here(self, *words: str, **variables: str) -> tuple[int, str]:
        """The same in this process, where no Python has to start."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name in [name for name in os.environ if name.startswith("AWS_") or name == FILE_VARIABLE]:
                patch.delenv(name)
            done = CliRunner().invoke(main, words, prog_name="ddb-pipeline", env={**self.variables, **variables})
        return done.exit_code, done.output

    def client(self, service: str):
        return local_stack.client(service, self.endpoint)

    def names(self) -> PublishedNames:
        parameter = ComputedNames("persons", "dev").parameter
        return PublishedNames.from_json(self.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])

    def interval(self) -> int:
        """How long Firehose collects, as it says itself."""
        found = self.client("firehose").describe_delivery_stream(DeliveryStreamName=self.names().delivery_stream)
        (destination,) = found["DeliveryStreamDescription"]["Destinations"]
        return destination["ExtendedS3DestinationDescription"]["BufferingHints"]["IntervalInSeconds"]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[Project]:
    folder = project_copy(tmp_path_factory.mktemp("cdk"))
    with command(["ddb_pipeline_tests.end_to_end.bare_local_aws", str(folder / "aws")], folder) as local_aws:
        local_aws.wait_for("serves at")
        found = Project(folder, re.search(r"http://[\d.:]+", local_aws.output).group())
        # a laptop waits for nothing that local AWS does not need
        set_in_stage(folder, "dev", buffer_seconds=1)
        yield found
        assert local_aws.interrupt() == 0


def test_a_stage_is_deployed_sees_a_change_arrive_and_is_ready_for_dagster(project: Project):
    (project.folder / ".env").write_text("DDB_PIPELINE_STAGE=prod\nAWS_PROFILE=company\nEDITOR=vi\n")

    code, output = project.run("deploy", "--stage", "dev", "--require-approval", "never")

    assert code == 0, output
    assert f"✅  {STACK}" in output
    assert "write a canary and wait until it is in S3" in output
    assert "Next, in the activated environment: `dagster dev`" in output
    # the canary is gone from the table
    assert project.client("dynamodb").scan(TableName=project.names().table)["Items"] == []
    # what belongs to another stage leads nowhere any more, the rest stays
    assert (project.folder / ".env").read_text().splitlines() == [
        "DDB_PIPELINE_STAGE=dev",
        "# of stage prod: AWS_PROFILE=company",
        "EDITOR=vi",
        "AWS_REGION=eu-central-1",
        f"AWS_ENDPOINT_URL={project.endpoint}",
    ]
    code, output = project.run_here("query", "SELECT count(*) AS rows FROM changes")
    assert code == 0, output
    code, output = project.run_here("env", "--stage", "dev")
    assert (code, output.strip()) == (0, ".env says: stage dev, eu-central-1\n" + KEPT_SECRET)


def test_a_change_of_the_declaration_is_shown_and_then_made(project: Project):
    before = project.names()
    set_in_stage(project.folder, "dev", buffer_seconds=2)

    code, output = project.run("diff", "--stage", "dev")
    assert code == 0, output
    assert "IntervalInSeconds" in output
    assert project.interval() == 1

    code, output = project.run("deploy", "--stage", "dev", "--no-canary")
    assert code == 0, output
    assert "canary" not in output
    assert project.interval() == 2
    assert project.names() == before


def test_a_stage_is_destroyed_only_when_somebody_says_so_and_then_whole(project: Project):
    code, output = project.run_here("destroy", "--stage", "dev")
    assert code == 1
    assert "what the stacks made goes with what is in it" in output
    assert "there is nobody to ask here: say --yes" in output

    # what the canary left in the buckets goes with them, also when the function that empties them cannot
    raw_bucket = project.names().raw_bucket
    assert project.client("s3").list_objects_v2(Bucket=raw_bucket)["KeyCount"] > 0
    project.client("lambda").delete_function(FunctionName=ComputedNames("persons", "dev").function("emptier"))
    code, output = project.run("destroy", "--stage", "dev", "--yes")
    assert code == 0, output
    assert "DELETE_FAILED" in output
    assert f"bucket {raw_bucket} is empty now" in output
    assert f"stack {STACK}: what is left of it is deleted, without BucketEmptier" in output
    assert "Stage dev is gone" in output
    assert project.client("dynamodb").list_tables()["TableNames"] == []
    left = [bucket["Name"] for bucket in project.client("s3").list_buckets()["Buckets"]]
    assert [name for name in left if not name.startswith("cdk-")] == []

    code, output = project.run_here("destroy", "--stage", "dev", "--yes")
    assert code == 1
    assert "no stack of stage dev is in account 123456789012, region eu-central-1" in output


def test_a_registry_that_does_not_answer_is_named_before_anything_happens(project: Project, tmp_path: Path):
    registry = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_fetch_retries": "0"}

    code, output = project.run_here("deploy", "--stage", "dev", XDG_CACHE_HOME=str(tmp_path), **registry)

    assert code == 1, output
    assert "could not be fetched from the npm registry: ECONNREFUSED" in output
    assert "Traceback" not in output
    assert list(tmp_path.rglob("aws-cdk*")) == []
