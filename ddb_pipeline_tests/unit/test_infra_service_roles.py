"""What AWS's own services may do for a pipeline: Firehose, the crawlers, and CloudWatch Logs with the key.

Nothing here calls AWS as they do, and local AWS asks for no permission: what one of them lacked would show in a
deployed stage alone, where nothing would arrive. So each right is held to the pages of AWS that ask for it.
"""

import pytest

from ddb_pipeline_tests.unit.infra_templates import resolved, resource, resources
from ddb_pipeline_tests.unit.test_infra_permissions import NAMES, as_list, statements_of

STAGES = ["local", "dev", "prod"]


def logical_id(stage, pipeline, resource_type, part=""):
    (found,) = [name for name in resources(stage, resource_type, pipeline) if part in name]
    return found


def rights(role, stage, pipeline):
    """Actions and resources of a role's statements by their ids; the CDK sorts them."""
    return {
        sid: (set(as_list(statement["Action"])), set(as_list(statement["Resource"])))
        for sid, statement in statements_of(role, stage, pipeline).items()
    }


def glue(*names):
    return {f"arn:aws:glue:eu-west-1:1:{name}" for name in names}


@pytest.mark.parametrize("pipeline", ["persons", "order_lines"])
@pytest.mark.parametrize("stage", STAGES)
def test_firehose_may_read_convert_and_write_and_nothing_else(stage, pipeline):
    """firehose/latest/dev/controlling-access.html: S3 as destination, a Kinesis stream as source, conversion."""
    raw = logical_id(stage, pipeline, "AWS::S3::Bucket", "Raw")
    stream = logical_id(stage, pipeline, "AWS::Kinesis::Stream")
    converter = logical_id(stage, pipeline, "AWS::Lambda::Function", "DeliveryConverter")
    log_group = logical_id(stage, pipeline, "AWS::Logs::LogGroup", "DeliveryLogGroup")
    key = {f"{logical_id(stage, pipeline, 'AWS::KMS::Key')}.Arn"}
    database = f"ddb_{stage}_{pipeline}"
    assert rights("DeliveryRole", stage, pipeline) == {
        "ReadStream": (
            {"kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"},
            {f"{stream}.Arn"},
        ),
        "FindBucket": (
            {"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"},
            {f"{raw}.Arn"},
        ),
        "WriteObjects": (
            {"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"},
            {f"{raw}.Arn/{prefix}/*" for prefix in ("changes", "changes_parquet", "errors")},
        ),
        "UseKeyThroughS3": ({"kms:Decrypt", "kms:GenerateDataKey"}, key),
        "UseKeyThroughKinesis": ({"kms:Decrypt"}, key),
        "Convert": (
            {"lambda:InvokeFunction", "lambda:GetFunctionConfiguration"},
            {f"{converter}.Arn", f"{converter}.Arn:$LATEST"},
        ),
        "Log": ({"logs:PutLogEvents"}, {f"{log_group}.Arn"}),
        # of JSON, too: it is asked for before the first row is made into Parquet
        "ReadSchema": (
            {"glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"},
            glue("catalog", f"database/{database}", f"table/{database}/changes_parquet"),
        ),
    }


def test_firehose_uses_the_key_for_this_bucket_and_this_stream_alone():
    found = statements_of("DeliveryRole")
    raw = logical_id("dev", "persons", "AWS::S3::Bucket", "Raw")
    stream = logical_id("dev", "persons", "AWS::Kinesis::Stream")
    assert found["UseKeyThroughS3"]["Condition"] == {
        "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [f"{raw}.Arn", f"{raw}.Arn/*"]},
    }
    assert found["UseKeyThroughKinesis"]["Condition"] == {
        "StringEquals": {"kms:ViaService": "kinesis.eu-west-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:kinesis:arn": f"{stream}.Arn"},
    }


@pytest.mark.parametrize("stage", STAGES)
def test_the_crawlers_may_register_hours_of_their_tables_and_log_and_nothing_else(stage):
    """AWSGlueServiceRole, cut down as glue/latest/dg/crawler-prereqs.html allows, to a catalog target on S3.

    What an encrypted log takes beside: glue/latest/dg/set-up-encryption.html.
    """
    raw = logical_id(stage, "persons", "AWS::S3::Bucket", "Raw")
    key = logical_id(stage, "persons", "AWS::KMS::Key")
    database = f"ddb_{stage}_persons"
    assert rights("CrawlerRole", stage, "persons") == {
        "ReadCatalog": (
            {
                "glue:GetDatabase",
                "glue:GetTable",
                "glue:GetTables",
                "glue:GetPartition",
                "glue:GetPartitions",
                "glue:BatchGetPartition",
            },
            glue("catalog", f"database/{database}", f"table/{database}/*"),
        ),
        "RegisterHours": (
            {
                "glue:CreateTable",
                "glue:UpdateTable",
                "glue:BatchCreatePartition",
                "glue:UpdatePartition",
                "glue:BatchUpdatePartition",
            },
            glue(
                "catalog",
                f"database/{database}",
                f"table/{database}/changes",
                f"table/{database}/changes_parquet",
            ),
        ),
        "FindBucket": ({"s3:GetBucketLocation", "s3:ListBucket"}, {f"{raw}.Arn"}),
        "ReadObjects": ({"s3:GetObject"}, {f"{raw}.Arn/changes/*", f"{raw}.Arn/changes_parquet/*"}),
        "UseKeyThroughS3": ({"kms:Decrypt"}, {f"{key}.Arn"}),
        "Log": (
            {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:AssociateKmsKey"},
            {"arn:aws:logs:eu-west-1:1:log-group:/aws-glue/crawlers*"},
        ),
        "ReadSecurityConfiguration": ({"glue:GetSecurityConfiguration"}, {"*"}),
    }


def test_where_partitions_are_projected_no_role_crawls():
    assert rights("CrawlerRole", "dev", "order_lines") == {}


@pytest.mark.parametrize("stage", STAGES)
def test_the_converter_may_do_nothing_but_log(stage):
    log_group = logical_id(stage, "persons", "AWS::Logs::LogGroup", "DeliveryConverterLogGroup")
    assert rights("DeliveryConverterRole", stage, "persons") == {
        "Log": ({"logs:CreateLogStream", "logs:PutLogEvents"}, {f"{log_group}.Arn"})
    }


@pytest.mark.parametrize("pipeline", ["persons", "order_lines"])
@pytest.mark.parametrize("stage", STAGES)
def test_cloudwatch_logs_may_encrypt_and_decrypt_with_the_key(stage, pipeline):
    """AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html, by name; for which log groups: test_infra_template."""
    policy = resolved(resource(stage, "AWS::KMS::Key", pipeline)["Properties"]["KeyPolicy"], NAMES)
    (statement,) = [found for found in policy["Statement"] if found["Sid"] == "LogGroups"]
    assert sorted(statement["Action"]) == [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ]
