"""Deliveries that fail: how tests bring them about, and look at what Firehose wrote about them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ddb_pipeline.local_aws import delivery
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.resources.failed_deliveries import ErrorObject
from ddb_pipeline_tests.deployed import Deployed

PIPELINE = "persons"
CONVERTER = Path(__file__).parents[1] / "infra_cdk" / "functions" / "change_converter"
DEFECT = (
    "def handler(event, context):\n"
    "    return {'records': [\n"
    "        {'recordId': record['recordId'], 'result': 'ProcessingFailed', 'data': record['data']}\n"
    "        for record in event['records']\n"
    "    ]}\n"
)


def take_away(stage: Deployed) -> None:
    for one in failed_objects(stage):
        stage.client("s3").delete_object(Bucket=stage.names[PIPELINE].raw_bucket, Key=one.key)


def failed_objects(stage: Deployed) -> list[ErrorObject]:
    with PipelineAwsResource(declaration_file=str(stage.declaration.path)).deployment(PIPELINE) as deployment:
        return sorted(deployment.failed_deliveries.objects(), key=lambda one: one.last_modified)


def tags(stage: Deployed, key: str) -> dict[str, str]:
    found = stage.client("s3").get_object_tagging(Bucket=stage.names[PIPELINE].raw_bucket, Key=key)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


@contextmanager
def defective_converter(stage: Deployed) -> Iterator[None]:
    """The converter refuses everything, until it is mended."""
    described = stage.client("firehose").describe_delivery_stream(
        DeliveryStreamName=stage.names[PIPELINE].delivery_stream
    )["DeliveryStreamDescription"]["Destinations"][0]["ExtendedS3DestinationDescription"]
    [processor] = described["ProcessingConfiguration"]["Processors"]
    [name] = [one["ParameterValue"] for one in processor["Parameters"] if one["ParameterName"] == "LambdaArn"]
    whole = {path.name: path.read_text(encoding="utf-8") for path in CONVERTER.glob("*.py")}
    update(stage, name, {"change_converter.py": DEFECT})
    try:
        yield
        assert delivery.wait_until_delivered(30)
    finally:
        update(stage, name, whole)


def update(stage: Deployed, function: str, files: dict[str, str]) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    stage.client("lambda").update_function_code(FunctionName=function, ZipFile=content.getvalue())
