"""Two versions of a template that together have every property that local AWS knows, and what an update does to each.

`BEFORE` has every property. In `AFTER` each property that is changed in place has another value or is gone.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from ddb_pipeline.local_aws.deployment.updates import UNCHANGEABLE
from ddb_pipeline_tests import wide_watching

_SERVICE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}],
}


def _allow(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


def _tags(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _arn(logical_id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def _code(answer: str) -> dict[str, str]:
    return {"ZipFile": f"def handler(event, context):\n    return {answer!r}\n"}


_COLUMNS = [{"Name": "one", "Type": "string", "Comment": "the first"}]
_STORAGE = {
    "Columns": _COLUMNS,
    "Location": {"Fn::Sub": "s3://${Bucket}/wide/"},
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hive.hcatalog.data.JsonSerDe"},
}

BEFORE: dict[str, dict[str, Any]] = {
    "Key": {
        "Type": "AWS::KMS::Key",
        "Properties": {
            "Description": "first",
            "EnableKeyRotation": True,
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "Account",
                        "Effect": "Allow",
                        "Action": "kms:*",
                        "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}},
                        "Resource": "*",
                    }
                ],
            },
            "KeySpec": "SYMMETRIC_DEFAULT",
            "KeyUsage": "ENCRYPT_DECRYPT",
            "PendingWindowInDays": 7,
            "Tags": _tags(one="1", two="2"),
        },
    },
    "OtherKey": {"Type": "AWS::KMS::Key", "Properties": {"Description": "other"}},
    "Alias": {
        "Type": "AWS::KMS::Alias",
        "Properties": {"AliasName": {"Fn::Sub": "alias/${AWS::StackName}"}, "TargetKeyId": _arn("Key")},
    },
    "Bucket": {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {
                        "BucketKeyEnabled": True,
                        "ServerSideEncryptionByDefault": {"KMSMasterKeyID": _arn("Key"), "SSEAlgorithm": "aws:kms"},
                    }
                ]
            },
            "BucketName": {"Fn::Sub": "${AWS::StackName}-bucket"},
            "LifecycleConfiguration": {
                "Rules": [
                    {
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                        "ExpirationInDays": 30,
                        "Id": "first",
                        "Prefix": "old/",
                        "Status": "Enabled",
                    }
                ]
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "Tags": _tags(one="1", two="2"),
            "VersioningConfiguration": {"Status": "Enabled"},
        },
    },
    "BucketPolicy": {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "First",
                        "Effect": "Deny",
                        "Action": "s3:PutObject",
                        "Principal": "*",
                        "Resource": {"Fn::Sub": "${Bucket.Arn}/*"},
                    }
                ],
            },
        },
    },
    "Stream": {
        "Type": "AWS::Kinesis::Stream",
        "Properties": {
            "Name": {"Fn::Sub": "${AWS::StackName}-stream"},
            "RetentionPeriodHours": 48,
            "ShardCount": 1,
            "StreamEncryption": {"EncryptionType": "KMS", "KeyId": _arn("Key")},
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "Tags": _tags(one="1", two="2"),
        },
    },
    "OtherStream": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}},
    "Table": {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
                {"AttributeName": "by", "AttributeType": "S"},
            ],
            "BillingMode": "PROVISIONED",
            "DeletionProtectionEnabled": False,
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "by_by",
                    "KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                    "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
                }
            ],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "KinesisStreamSpecification": {
                "ApproximateCreationDateTimePrecision": "MILLISECOND",
                "StreamArn": _arn("Stream"),
            },
            "LocalSecondaryIndexes": [
                {
                    "IndexName": "local",
                    "KeySchema": [
                        {"AttributeName": "pk", "KeyType": "HASH"},
                        {"AttributeName": "by", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7},
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
            "SSESpecification": {"KMSMasterKeyId": _arn("Key"), "SSEEnabled": True, "SSEType": "KMS"},
            "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
            "TableName": {"Fn::Sub": "${AWS::StackName}-table"},
            "Tags": _tags(one="1", two="2"),
            "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
        },
    },
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": _SERVICE,
            "Description": "first",
            "ManagedPolicyArns": [{"Ref": "OtherManagedPolicy"}],
            "MaxSessionDuration": 7200,
            "Path": "/wide/",
            "Policies": [
                {"PolicyName": "kept", "PolicyDocument": _allow("s3:GetObject")},
                {"PolicyName": "gone", "PolicyDocument": _allow("s3:GetObject")},
            ],
            "RoleName": {"Fn::Sub": "${AWS::StackName}-role"},
            "Tags": _tags(one="1", two="2"),
        },
    },
    "OtherRole": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _SERVICE}},
    "ThirdRole": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _SERVICE}},
    "OtherManagedPolicy": {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": _allow("s3:ListBucket")},
    },
    "ManagedPolicy": {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "Description": "first",
            "ManagedPolicyName": {"Fn::Sub": "${AWS::StackName}-managed"},
            "Path": "/wide/",
            "PolicyDocument": _allow("s3:GetObject"),
            "Roles": [{"Ref": "OtherRole"}],
            "Tags": _tags(one="1", two="2"),
        },
    },
    "Policy": {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyDocument": _allow("s3:GetObject"),
            "PolicyName": "first",
            "Roles": [{"Ref": "OtherRole"}, {"Ref": "ThirdRole"}],
        },
    },
    "LogGroup": {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {
            "KmsKeyId": _arn("Key"),
            "LogGroupName": {"Fn::Sub": "${AWS::StackName}-logs"},
            "RetentionInDays": 30,
            "Tags": _tags(one="1", two="2"),
        },
    },
    "OtherLogGroup": {"Type": "AWS::Logs::LogGroup"},
    "LogStream": {
        "Type": "AWS::Logs::LogStream",
        "Properties": {"LogGroupName": {"Ref": "LogGroup"}, "LogStreamName": "S3Delivery"},
    },
    "Function": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Architectures": ["arm64"],
            "Code": _code("first"),
            "Description": "first",
            "Environment": {"Variables": {"ONE": "1", "TWO": "2"}},
            "FunctionName": {"Fn::Sub": "${AWS::StackName}-function"},
            "Handler": "index.handler",
            "LoggingConfig": {"LogGroup": {"Ref": "LogGroup"}},
            "MemorySize": 256,
            "Role": _arn("Role"),
            "Runtime": "python3.13",
            "Tags": _tags(one="1", two="2"),
            "Timeout": 10,
        },
    },
    "Delivery": {
        "Type": "AWS::KinesisFirehose::DeliveryStream",
        "DependsOn": "LogStream",
        "Properties": {
            "DeliveryStreamName": {"Fn::Sub": "${AWS::StackName}-delivery"},
            "DeliveryStreamType": "KinesisStreamAsSource",
            "ExtendedS3DestinationConfiguration": {
                "BucketARN": _arn("Bucket"),
                "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 5},
                "CloudWatchLoggingOptions": {
                    "Enabled": True,
                    "LogGroupName": {"Ref": "LogGroup"},
                    "LogStreamName": "S3Delivery",
                },
                "CompressionFormat": "GZIP",
                "EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": _arn("Key")}},
                "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
                "FileExtension": ".json.gz",
                "Prefix": "first/!{timestamp:yyyy}/",
                "ProcessingConfiguration": {
                    "Enabled": True,
                    "Processors": [
                        {
                            "Type": "Lambda",
                            "Parameters": [{"ParameterName": "LambdaArn", "ParameterValue": _arn("Function")}],
                        }
                    ],
                },
                "RoleARN": _arn("Role"),
            },
            "KinesisStreamSourceConfiguration": {"KinesisStreamARN": _arn("Stream"), "RoleARN": _arn("Role")},
            "Tags": _tags(one="1", two="2"),
        },
    },
    **{
        name: {
            "Type": "AWS::KinesisFirehose::DeliveryStream",
            "Properties": {
                "DeliveryStreamType": "KinesisStreamAsSource",
                "ExtendedS3DestinationConfiguration": {
                    "BucketARN": _arn("Bucket"),
                    "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 64},
                    "CustomTimeZone": "Europe/Berlin",
                    "DataFormatConversionConfiguration": {
                        "Enabled": True,
                        "InputFormatConfiguration": {"Deserializer": deserializer},
                        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "GZIP"}}},
                        "SchemaConfiguration": {
                            "CatalogId": {"Ref": "AWS::AccountId"},
                            "DatabaseName": {"Ref": "Database"},
                            "Region": {"Ref": "AWS::Region"},
                            "RoleARN": _arn("Role"),
                            "TableName": {"Ref": "CatalogTable"},
                            "VersionId": "LATEST",
                        },
                    },
                    "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
                    "Prefix": "columns/!{timestamp:yyyy}/",
                    "RoleARN": _arn("Role"),
                },
                "KinesisStreamSourceConfiguration": {"KinesisStreamARN": _arn("Stream"), "RoleARN": _arn("Role")},
            },
        }
        for name, deserializer in (
            ("Columns", {"OpenXJsonSerDe": {"CaseInsensitive": True}}),
            ("OtherColumns", {"HiveJsonSerDe": {"TimestampFormats": ["millis"]}}),
        )
    },
    "Database": {
        "Type": "AWS::Glue::Database",
        "Properties": {
            "CatalogId": {"Ref": "AWS::AccountId"},
            "DatabaseInput": {
                "Description": "first",
                "LocationUri": "s3://first/",
                "Name": {"Fn::Join": ["_", {"Fn::Split": ["-", {"Ref": "AWS::StackName"}]}]},
                "Parameters": {"one": "1"},
            },
        },
    },
    "CatalogTable": {
        "Type": "AWS::Glue::Table",
        "Properties": {
            "CatalogId": {"Ref": "AWS::AccountId"},
            "DatabaseName": {"Ref": "Database"},
            "TableInput": {
                "Description": "first",
                "Name": "wide",
                "Parameters": {"classification": "json"},
                "StorageDescriptor": _STORAGE,
                "TableType": "EXTERNAL_TABLE",
            },
        },
    },
    "SecurityConfiguration": {
        "Type": "AWS::Glue::SecurityConfiguration",
        "Properties": {
            "EncryptionConfiguration": {
                "CloudWatchEncryption": {"CloudWatchEncryptionMode": "SSE-KMS", "KmsKeyArn": _arn("Key")},
                "JobBookmarksEncryption": {"JobBookmarksEncryptionMode": "CSE-KMS", "KmsKeyArn": _arn("Key")},
                "S3Encryptions": [{"KmsKeyArn": _arn("Key"), "S3EncryptionMode": "SSE-KMS"}],
            },
            "Name": {"Fn::Sub": "${AWS::StackName}-security"},
        },
    },
    "Crawler": {
        "Type": "AWS::Glue::Crawler",
        "DependsOn": "CatalogTable",
        "Properties": {
            "Configuration": json.dumps(
                {"Version": 1.0, "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}
            ),
            "CrawlerSecurityConfiguration": {"Ref": "SecurityConfiguration"},
            "Description": "first",
            "Name": {"Fn::Sub": "${AWS::StackName}-crawler"},
            "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
            "Role": _arn("Role"),
            "SchemaChangePolicy": {"DeleteBehavior": "LOG", "UpdateBehavior": "LOG"},
            "Tags": _tags(one="1", two="2"),
            "Targets": {"CatalogTargets": [{"DatabaseName": {"Ref": "Database"}, "Tables": ["wide"]}]},
        },
    },
    "FolderCrawler": {
        "Type": "AWS::Glue::Crawler",
        "Properties": {
            "DatabaseName": {"Ref": "Database"},
            "Role": _arn("Role"),
            "Schedule": {"ScheduleExpression": "cron(0 3 * * ? *)"},
            "TablePrefix": "first_",
            "Targets": {
                "S3Targets": [{"Exclusions": ["*.csv"], "Path": {"Fn::Sub": "s3://${Bucket}/wide/"}, "SampleSize": 5}]
            },
        },
    },
    "WorkGroup": {
        "Type": "AWS::Athena::WorkGroup",
        "Properties": {
            "Description": "first",
            "Name": {"Fn::Sub": "${AWS::StackName}-workgroup"},
            "RecursiveDeleteOption": True,
            "State": "ENABLED",
            "Tags": _tags(one="1", two="2"),
            "WorkGroupConfiguration": {
                "BytesScannedCutoffPerQuery": 10_000_000,
                "EnforceWorkGroupConfiguration": True,
                "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
                "PublishCloudWatchMetricsEnabled": True,
                "ResultConfiguration": {
                    "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": _arn("Key")},
                    "OutputLocation": {"Fn::Sub": "s3://${Bucket}/results/"},
                },
            },
        },
    },
    "Query": {
        "Type": "AWS::Athena::NamedQuery",
        "Properties": {
            "Database": {"Ref": "Database"},
            "Description": "first",
            "Name": "first",
            "QueryString": "SELECT 1",
            "WorkGroup": {"Ref": "WorkGroup"},
        },
    },
    "Parameter": {
        "Type": "AWS::SSM::Parameter",
        "Properties": {
            "AllowedPattern": "[a-z]+",
            "Description": "first",
            "Name": {"Fn::Sub": "/${AWS::StackName}/parameter"},
            "Tags": {"one": "1", "two": "2"},
            "Tier": "Standard",
            "Type": "String",
            "Value": "first",
        },
    },
    "Metadata": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2:deflate64:first"}},
    **wide_watching.BEFORE,
}


def _after() -> dict[str, dict[str, Any]]:
    after = copy.deepcopy(BEFORE)

    def properties(name: str) -> dict[str, Any]:
        found: dict[str, Any] = after[name]["Properties"]
        return found

    second, other = _tags(two="2", three="3"), _arn("OtherKey")
    properties("Key").update(Description="second", EnableKeyRotation=False, Tags=second, PendingWindowInDays=8)
    properties("Key")["KeyPolicy"]["Statement"][0]["Sid"] = "Second"
    properties("Alias")["TargetKeyId"] = other
    bucket = properties("Bucket")
    rule = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] = other
    bucket["LifecycleConfiguration"]["Rules"][0].update(ExpirationInDays=60, Prefix="new/")
    bucket["OwnershipControls"]["Rules"] = [{"ObjectOwnership": "BucketOwnerPreferred"}]
    bucket["PublicAccessBlockConfiguration"]["BlockPublicAcls"] = False
    bucket.update(Tags=second, VersioningConfiguration={"Status": "Suspended"})
    properties("BucketPolicy")["PolicyDocument"]["Statement"][0]["Sid"] = "Second"
    properties("Stream").update(
        RetentionPeriodHours=24,
        ShardCount=2,
        StreamEncryption={"EncryptionType": "KMS", "KeyId": other},
        Tags=second,
    )
    table = properties("Table")
    del table["ProvisionedThroughput"], table["GlobalSecondaryIndexes"]
    table.update(
        BillingMode="PAY_PER_REQUEST",
        KinesisStreamSpecification={
            "ApproximateCreationDateTimePrecision": "MICROSECOND",
            "StreamArn": _arn("OtherStream"),
        },
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        Tags=second,
        TimeToLiveSpecification={"AttributeName": "other", "Enabled": True},
    )
    role = properties("Role")
    role.update(Description="second", ManagedPolicyArns=[], MaxSessionDuration=3600, Tags=second)
    role["AssumeRolePolicyDocument"]["Statement"][0]["Sid"] = "Second"
    role["Policies"] = [{"PolicyName": "kept", "PolicyDocument": _allow("s3:PutObject")}]
    properties("ManagedPolicy").update(PolicyDocument=_allow("s3:PutObject"), Roles=[], Tags=second)
    properties("Policy").update(
        PolicyDocument=_allow("s3:PutObject"), PolicyName="second", Roles=[{"Ref": "ThirdRole"}]
    )
    properties("LogGroup").update(RetentionInDays=60, Tags=second)
    function = properties("Function")
    function.update(
        Architectures=["x86_64"],
        Code=_code("second"),
        Description="second",
        Environment={"Variables": {"TWO": "2", "THREE": "3"}},
        Handler="index.handler",
        LoggingConfig={"LogGroup": {"Ref": "OtherLogGroup"}},
        MemorySize=512,
        Role=_arn("OtherRole"),
        Runtime="python3.12",
        Tags=second,
        Timeout=20,
    )
    destination = properties("Delivery")["ExtendedS3DestinationConfiguration"]
    del destination["ProcessingConfiguration"]
    destination.update(
        BufferingHints={"IntervalInSeconds": 2, "SizeInMBs": 6},
        CloudWatchLoggingOptions={"Enabled": False},
        CompressionFormat="UNCOMPRESSED",
        EncryptionConfiguration={"KMSEncryptionConfig": {"AWSKMSKeyARN": other}},
        ErrorOutputPrefix="failed/!{firehose:error-output-type}/",
        FileExtension=".json",
        Prefix="second/!{timestamp:yyyy}/",
        RoleARN=_arn("OtherRole"),
    )
    properties("Delivery")["Tags"] = second
    properties("Database")["DatabaseInput"].update(
        Description="second", LocationUri="s3://second/", Parameters={"two": "2"}
    )
    properties("CatalogTable")["TableInput"].update(
        Description="second", Parameters={"classification": "json", "more": "1"}
    )
    properties("Crawler").update(
        Configuration='{"Version": 1.0, "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}',
        Description="second",
        Role=_arn("OtherRole"),
        Tags=second,
    )
    properties("Columns")["ExtendedS3DestinationConfiguration"]["CustomTimeZone"] = "UTC"
    properties("FolderCrawler").update(
        Schedule={"ScheduleExpression": "cron(0 4 * * ? *)"},
        TablePrefix="second_",
    )
    workgroup = properties("WorkGroup")
    workgroup.update(Description="second", State="DISABLED", Tags=second, RecursiveDeleteOption=False)
    configuration = workgroup["WorkGroupConfiguration"]
    del configuration["BytesScannedCutoffPerQuery"]
    configuration["EnforceWorkGroupConfiguration"] = False
    configuration["ResultConfiguration"] = {"OutputLocation": {"Fn::Sub": "s3://${Bucket}/other/"}}
    properties("Query")["QueryString"] = "SELECT 2"
    del properties("Parameter")["AllowedPattern"]
    properties("Parameter").update(
        Description="second", Tags={"two": "2", "three": "3"}, Type="StringList", Value="second,2"
    )
    properties("Metadata")["Analytics"] = "v2:deflate64:second"
    wide_watching.change(properties)
    return after


def _as_far_as_it_changes(after: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What local AWS refuses to change stays as it was."""
    for name, resource in after.items():
        for path in UNCHANGEABLE.get(resource["Type"], ()):
            before = BEFORE[name].get("Properties", {})
            if path in before:
                resource["Properties"][path] = before[path]
    return after


AFTER = _as_far_as_it_changes(_after())
