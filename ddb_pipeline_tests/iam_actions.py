"""What a recorded call needs by IAM: actions on resources, also those that a service then does in its caller's name.

From the service authorization reference (docs.aws.amazon.com/service-authorization) and the pages named below. Athena
and DynamoDB's export work with the rights of whoever asks them; S3, SNS and DynamoDB use a customer-managed key in the
name of their caller. A call that is not in these tables fails the test: somebody has to say what it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ddb_pipeline.names import PublishedNames
from ddb_pipeline_tests.recorded_calls import Call

SUFFIX = "amazonaws.com"


@dataclass(frozen=True)
class Need:
    """An action on a resource, and what IAM's conditions are told beside."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = field(default=())


GLUE_TABLE_OPERATIONS = {
    "BatchCreatePartition",
    "BatchGetPartition",
    "BatchUpdatePartition",
    "CreatePartition",
    "CreateTable",
    "DeletePartition",
    "GetPartitions",
    "GetTable",
    "UpdateTable",
}
GLUE_CRAWLER_OPERATIONS = {"GetCrawler", "ListCrawls", "StartCrawler", "StopCrawler"}
OF_WORKGROUP = {"GetQueryExecution", "GetQueryResults", "StartQueryExecution", "StopQueryExecution"}
OF_TABLE = {"DeleteItem", "DescribeTable", "PutItem", "UpdateItem"}
# developerguide/kds_iam.html: what DynamoDB does in Kinesis for who describes and enables a destination
OF_DESTINATION: dict[str, tuple[str, ...]] = {
    "DescribeKinesisStreamingDestination": ("kinesis:DescribeStream", "kinesis:DescribeStreamSummary"),
    "DisableKinesisStreamingDestination": (),
    "EnableKinesisStreamingDestination": ("kinesis:DescribeStream", "kinesis:PutRecords"),
}
STREAMING_SERVICE = "kinesisreplication.dynamodb.amazonaws.com"
STREAMING_ROLE = f"role/aws-service-role/{STREAMING_SERVICE}/AWSServiceRoleForDynamoDBKinesisDataStreamsReplication"
OF_BUCKET = {
    "GetBucketTagging": "s3:GetBucketTagging",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjectsV2": "s3:ListBucket",
}
OF_ITEMS = {"DeleteItem", "PutItem", "UpdateItem"}
OF_READING = {"BatchGetItem", "Scan"}

# ug/fine-grained-access-to-glue-resources.html: what Athena does in the catalog for a statement that begins so
STATEMENTS: dict[str, tuple[str, ...]] = {
    "CREATE OR REPLACE VIEW": ("CreateTable", "GetTable", "UpdateTable"),
    "INSERT INTO": ("GetPartition", "GetPartitions", "GetTable"),
    "SELECT": ("BatchGetPartition", "GetPartition", "GetPartitions", "GetTable"),
    "WITH": ("BatchGetPartition", "GetPartition", "GetPartitions", "GetTable"),
    "SHOW TABLES": ("GetTables",),
}
# ug/querying.html, permissions for the output location; multipart uploads: ug/s3-permissions.html
OF_RESULTS_BUCKET = ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads")
OF_RESULTS = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject")
# developerguide/encryption.usagenotes.html; the first two are those of who reads
OF_TABLE_KEY = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


@dataclass(frozen=True)
class Place:
    """Where the calls go: turns names into ARNs."""

    names: PublishedNames
    catalog_key: str = ""
    """ARN of the key that encrypts the Glue Data Catalog; "": none."""

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.names.region}:{self.names.account}:{resource}"

    def in_catalog(self, action: str, database: str, table: str | None = None) -> Iterator[Need]:
        """Glue wants an action on a table to be allowed on its database and on the catalog too."""
        yield Need(action, self.arn("glue", "catalog"))
        yield Need(action, self.arn("glue", f"database/{database}"))
        if table is not None:
            yield Need(action, self.arn("glue", f"table/{database}/{table}"))
        yield from self.use_of_catalog_key()

    def use_of_catalog_key(self) -> Iterator[Need]:
        """What every client of an encrypted catalog needs (glue/latest/dg/set-up-encryption.html)."""
        told = (
            ("kms:ViaService", f"glue.{self.names.region}.{SUFFIX}"),
            ("kms:EncryptionContext:glue_catalog_id", self.names.account),
        )
        if self.catalog_key:
            for action in ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"):
                yield Need(action, self.catalog_key, told)

    def key(self, action: str, service: str, **context: str) -> Need:
        """The use of the key by a service in its caller's name."""
        told = {"kms:ViaService": f"{service}.{self.names.region}.{SUFFIX}"}
        told |= {f"kms:EncryptionContext:aws:{name.replace('_', ':')}": value for name, value in context.items()}
        return Need(action, self.names.key_arn, tuple(told.items()))

    def objects(self, bucket: str, key: str, *actions: str) -> Iterator[Need]:
        """Actions on an object, and the use of the key that comes with them (s3, bucket keys: the bucket's ARN)."""
        for action in actions:
            yield Need(action, f"arn:aws:s3:::{bucket}/{key}")
            if action in {"s3:GetObject", "s3:PutObject"}:
                kms = "kms:Decrypt" if action == "s3:GetObject" else "kms:GenerateDataKey"
                yield self.key(kms, "s3", s3_arn=f"arn:aws:s3:::{bucket}")


def needs(call: Call, place: Place) -> list[Need]:
    """Everything that must be allowed for a call to succeed on AWS.

    Raises:
        AssertionError: The call is not in the tables.
    """
    found = {
        "athena": _athena,
        "cloudwatch": _cloudwatch,
        "dynamodb": _dynamodb,
        "glue": _glue,
        "kinesis": _kinesis,
        "lambda": _lambda,
        "s3": _s3,
        "sns": _sns,
        "ssm": _ssm,
    }
    assert call.service in found, f"what does {call.service}:{call.operation} need? Say it in {__name__}"
    return list(found[call.service](call.operation, call.parameters, place))


def _unknown(service: str, operation: str) -> AssertionError:
    return AssertionError(f"what does {service}:{operation} need? Say it in {__name__}")


def _ssm(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    yield Need(f"ssm:{operation}", place.arn("ssm", f"parameter{parameters['Name']}"))


def _lambda(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    if operation != "Invoke":
        raise _unknown("lambda", operation)
    yield Need("lambda:InvokeFunction", place.arn("lambda", f"function:{parameters['FunctionName']}"))


def _sns(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    topic = parameters["TopicArn"]
    yield Need(f"sns:{operation}", topic)
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        yield place.key(action, "sns", sns_topicArn=topic)


def _cloudwatch(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    if operation != "GetMetricStatistics":
        raise _unknown("cloudwatch", operation)
    # a metric has no ARN
    yield Need(f"cloudwatch:{operation}", "*")


def _kinesis(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    if operation != "PutRecords":
        raise _unknown("kinesis", operation)
    stream = place.arn("kinesis", f"stream/{parameters['StreamName']}")
    yield Need(f"kinesis:{operation}", stream)
    # streams/latest/dev/permissions-user-key-KMS.html
    yield place.key("kms:GenerateDataKey", "kinesis", kinesis_arn=stream)


def _glue(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    if operation in GLUE_CRAWLER_OPERATIONS:
        crawler = parameters.get("Name") or parameters["CrawlerName"]
        yield Need(f"glue:{operation}", place.arn("glue", f"crawler/{crawler}"))
    elif operation in GLUE_TABLE_OPERATIONS:
        table = parameters.get("TableName") or parameters.get("Name") or parameters["TableInput"]["Name"]
        yield from place.in_catalog(f"glue:{operation}", parameters["DatabaseName"], table)
    else:
        raise _unknown("glue", operation)


def _s3(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    bucket, key = parameters["Bucket"], parameters["Key"]
    if operation in OF_BUCKET:
        yield Need(OF_BUCKET[operation], f"arn:aws:s3:::{bucket}")
        return
    match operation:
        case "HeadObject":
            yield from place.objects(bucket, key, "s3:GetObject")
        case "GetObject" | "DeleteObject" | "PutObject" | "GetObjectTagging" | "PutObjectTagging":
            yield from place.objects(bucket, key, f"s3:{operation}")
        case "DeleteObjects":
            # API_DeleteObjects.html
            version = ("s3:DeleteObjectVersion",) if parameters["Versions"] else ()
            for one in parameters["Keys"]:
                yield from place.objects(bucket, one, "s3:DeleteObject", *version)
        case "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload":
            # userguide/mpuAndPermissions.html: a part is put together from what was encrypted before
            yield from place.objects(bucket, key, "s3:PutObject")
            yield place.key("kms:Decrypt", "s3", s3_arn=f"arn:aws:s3:::{bucket}")
        case "AbortMultipartUpload":
            yield from place.objects(bucket, key, "s3:AbortMultipartUpload")
        case _:
            raise _unknown("s3", operation)


def _destination(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    # who describes names the table alone, and is told of the pipeline's stream
    stream = parameters.get("StreamArn") or place.arn("kinesis", f"stream/{place.names.change_stream}")
    for action in OF_DESTINATION[operation]:
        yield Need(action, stream)
    if operation == "EnableKinesisStreamingDestination":
        yield Need("kinesis:ListStreams", "*")
        role = f"arn:aws:iam::{place.names.account}:{STREAMING_ROLE}"
        yield Need("iam:CreateServiceLinkedRole", role, (("iam:AWSServiceName", STREAMING_SERVICE),))


def _items_read(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    for table in parameters.get("RequestItems") or [parameters["TableName"]]:
        yield Need(f"dynamodb:{operation}", place.arn("dynamodb", f"table/{table}"))
    for action in OF_TABLE_KEY[:2]:
        yield place.key(action, "dynamodb")


def _dynamodb(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    if operation in OF_TABLE:
        yield Need(f"dynamodb:{operation}", place.arn("dynamodb", f"table/{parameters['TableName']}"))
        if operation in OF_ITEMS:
            for action in OF_TABLE_KEY:
                yield place.key(action, "dynamodb")
    elif operation in OF_DESTINATION:
        yield Need(f"dynamodb:{operation}", place.arn("dynamodb", f"table/{parameters['TableName']}"))
        yield from _destination(operation, parameters, place)
    elif operation in OF_READING:
        yield from _items_read(operation, parameters, place)
    elif operation == "ExportTableToPointInTime":
        yield Need(f"dynamodb:{operation}", parameters["TableArn"])
        # developerguide/S3DataExport_Requesting.html
        prefix = f"{parameters['S3Prefix']}/AWSDynamoDB/01/data/file.json.gz"
        writing = ("s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl")
        yield from place.objects(parameters["S3Bucket"], prefix, *writing)
    elif operation == "DescribeExport":
        yield Need(f"dynamodb:{operation}", parameters["ExportArn"])
    else:
        raise _unknown("dynamodb", operation)


def _athena(operation: str, parameters: dict[str, Any], place: Place) -> Iterator[Need]:
    if operation not in OF_WORKGROUP:
        raise _unknown("athena", operation)
    names = place.names
    assert parameters.get("WorkGroup", names.workgroup) == names.workgroup
    yield Need(f"athena:{operation}", place.arn("athena", f"workgroup/{names.workgroup}"))
    if operation == "GetQueryResults":
        yield from place.objects(names.results_bucket, "queries/1.csv", "s3:GetObject")
    if operation != "StartQueryExecution":
        return
    text = re.sub(r"\s+", " ", re.sub(r"^(\s*--[^\n]*\n)+", "", parameters["QueryString"])).strip()
    begins = [begin for begin in STATEMENTS if text.upper().startswith(begin)]
    assert begins, f"what does Athena need for {text[:60]!r}? Say it in {__name__}"
    yield from place.in_catalog("glue:GetDatabase", "default")
    yield from place.in_catalog("glue:GetDatabase", names.database)
    yield from place.in_catalog("glue:GetDatabases", names.database)
    for action in STATEMENTS[begins[0]]:
        yield from place.in_catalog(f"glue:{action}", names.database, "any")
    for action in OF_RESULTS_BUCKET:
        yield Need(action, f"arn:aws:s3:::{names.results_bucket}")
    yield from place.objects(names.results_bucket, "queries/1.csv", *OF_RESULTS)
    if begins[0] in {"SELECT", "WITH", "INSERT INTO"}:
        yield Need("s3:ListBucket", f"arn:aws:s3:::{names.raw_bucket}")
        yield Need("s3:GetBucketLocation", f"arn:aws:s3:::{names.raw_bucket}")
        for table in names.change_tables:
            yield from place.objects(names.raw_bucket, f"{table.prefix}any.json.gz", "s3:GetObject")
    if begins[0] == "INSERT INTO":
        written = re.match(r'INSERT INTO "\w+"\."(\w+)"', text)
        assert written, f"where does {text[:60]!r} write?"
        yield from place.in_catalog("glue:BatchCreatePartition", names.database, written.group(1))
        yield Need("s3:ListBucketMultipartUploads", f"arn:aws:s3:::{names.raw_bucket}")
        yield from place.objects(names.raw_bucket, "baselines/data/any", *OF_RESULTS)
