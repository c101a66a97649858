"""Clients that nobody here wrote, unchanged: boto3, the AWS CLI, PyAthena's cursors and its SQLAlchemy dialect.

Each is told of local AWS by the environment alone, as `.env` has it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyathena import connect

from ddb_pipeline_tests.deployed import Deployed

SQL = "SELECT * FROM (VALUES (1, 'a', DATE '2026-01-01'), (2, NULL, NULL)) AS t (n, s, d) ORDER BY n"
ROWS = [(1, "a", date(2026, 1, 1)), (2, None, None)]


@pytest.fixture
def connection(stage: Deployed) -> Iterator[Any]:
    names = stage.names["persons"]
    # nothing of the endpoint: PyAthena finds it in the environment
    with connect(work_group=names.workgroup, schema_name=names.database, poll_interval=0.05) as made:
        yield made


def aws(*arguments: str) -> Any:
    """What the AWS CLI prints, as JSON; its text where it prints none."""
    command = [str(Path(sys.executable).parent / "aws"), *arguments]
    done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout


def test_boto3(stage: Deployed) -> None:
    names = stage.names["persons"]
    table = boto3.resource("dynamodb").Table(names.table)
    key = {"pk": f"client-{uuid.uuid4()}"}

    table.put_item(Item={**key, "number": 1})
    table.update_item(Key=key, UpdateExpression="ADD #n :one", ExpressionAttributeNames={"#n": "number"},
                      ExpressionAttributeValues={":one": 1})  # fmt: skip

    assert table.get_item(Key=key)["Item"]["number"] == 2
    table.delete_item(Key=key)


def test_the_aws_cli_reads_and_writes(stage: Deployed, tmp_path: Path) -> None:
    names = stage.names["persons"]
    key = json.dumps({"pk": {"S": f"client-{uuid.uuid4()}"}})
    aws("dynamodb", "put-item", "--table-name", names.table, "--item", key)
    assert aws("dynamodb", "get-item", "--table-name", names.table, "--key", key)["Item"] == json.loads(key)

    file, name = tmp_path / "file", f"s3://{names.raw_bucket}/client/{uuid.uuid4()}"
    # large enough for the CLI to send it in parts
    file.write_bytes(os.urandom(9 * 1024 * 1024))
    aws("s3", "cp", "--quiet", str(file), name)
    aws("s3", "cp", "--quiet", name, str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    aws("s3", "rm", "--quiet", name)


def test_the_aws_cli_deploys_a_template(stage: Deployed, tmp_path: Path) -> None:
    name = f"client-{uuid.uuid4().hex[:8]}"
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Wanted"}}}
    template = {
        "Parameters": {"Wanted": {"Type": "String"}},
        "Resources": {"One": parameter},
        "Outputs": {"Value": {"Value": {"Fn::GetAtt": ["One", "Value"]}}},
    }
    (tmp_path / "template.json").write_text(json.dumps(template))
    deploy = ("cloudformation", "deploy", "--stack-name", name, "--template-file", str(tmp_path / "template.json"))

    assert "Successfully created/updated stack" in aws(*deploy, "--parameter-overrides", "Wanted=first")

    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    assert (stack["StackStatus"], stack["Outputs"][0]["OutputValue"]) == ("CREATE_COMPLETE", "first")
    boto3.client("cloudformation").delete_stack(StackName=name)


def test_pyathena_default_cursor(connection: Any) -> None:
    assert connection.cursor().execute(SQL).fetchall() == ROWS


def test_pyathena_dict_cursor(connection: Any) -> None:
    from pyathena.cursor import DictCursor

    assert connection.cursor(DictCursor).execute(SQL).fetchone() == {"n": 1, "s": "a", "d": date(2026, 1, 1)}


def test_pyathena_pandas_cursor(connection: Any) -> None:
    from pyathena.pandas.cursor import PandasCursor

    frame = connection.cursor(PandasCursor).execute(SQL).as_pandas()

    assert list(frame["n"]) == [1, 2]
    assert frame["d"][0].date() == date(2026, 1, 1)
    assert frame.isna().sum().to_dict() == {"n": 0, "s": 1, "d": 1}


def test_pyathena_arrow_cursor(connection: Any, stage: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import fs
    from pyathena.arrow.cursor import ArrowCursor
    from pyathena.arrow.result_set import AthenaArrowResultSetMetadataReader

    # pyarrow's S3 client ignores AWS_ENDPOINT_URL: docs/local-aws.md has these lines
    def local_file_system(_reader: Any) -> fs.S3FileSystem:
        return fs.S3FileSystem(
            endpoint_override=os.environ["AWS_ENDPOINT_URL"],
            access_key=os.environ["AWS_ACCESS_KEY_ID"],
            secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
            region=os.environ["AWS_REGION"],
        )

    monkeypatch.setattr(AthenaArrowResultSetMetadataReader, "_create_s3_file_system", local_file_system)

    found = connection.cursor(ArrowCursor).execute(SQL).as_arrow().to_pylist()

    assert [(row["n"], row["d"]) for row in found] == [(1, date(2026, 1, 1)), (2, None)]


def test_pyathena_async_cursor(connection: Any) -> None:
    from pyathena.async_cursor import AsyncCursor

    _query_id, future = connection.cursor(AsyncCursor).execute(SQL)

    assert future.result(timeout=60).fetchall() == ROWS


def test_pyathena_cursor_of_asyncio(stage: Deployed) -> None:
    from pyathena import aio_connect

    names = stage.names["persons"]

    async def ask() -> list[Any]:
        async with await aio_connect(
            work_group=names.workgroup, schema_name=names.database, poll_interval=0.05
        ) as made:
            cursor = made.cursor()
            await cursor.execute(SQL)
            return list(await cursor.fetchall())

    assert asyncio.run(ask()) == ROWS


@pytest.fixture
def ask_sqlalchemy(stage: Deployed) -> Iterator[Callable[[str], list[Any]]]:
    from sqlalchemy import create_engine, text

    names = stage.names["persons"]
    engine = create_engine(
        f"awsathena+rest://@athena.{names.region}.amazonaws.com:443/{names.database}"
        f"?work_group={names.workgroup}&poll_interval=0.05"
    )

    def ask(sql: str) -> list[Any]:
        with engine.connect() as made:
            return [tuple(row) for row in made.execute(text(sql)).fetchall()]

    yield ask
    engine.dispose()


def test_pyathena_sqlalchemy_dialect(ask_sqlalchemy: Callable[[str], list[Any]], stage: Deployed) -> None:
    assert ask_sqlalchemy(SQL) == ROWS
    changes = stage.names["persons"].change_table
    assert ask_sqlalchemy(f"SELECT count(*) >= 0 FROM {changes}") == [(True,)]
