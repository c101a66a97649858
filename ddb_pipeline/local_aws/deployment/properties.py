"""What local AWS does with each property of each resource type: the one list.

HONOURED: the resource is made with it, and it acts here as on AWS.
NO_EFFECT: the resource is made with it where its API takes it, but nothing in local AWS acts on it.
Anything else fails the stack by name.

A path stops where all below it is passed on as it is: `KeyPolicy.*`. Items of a list have the list's own path.
Names are those of docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ddb_pipeline.local_aws.deployment.custom_resources import is_custom
from ddb_pipeline.local_aws.deployment.intrinsic_functions import function_of

HONOURED: dict[str, frozenset[str]] = {
    "AWS::Athena::NamedQuery": frozenset({"Database", "Description", "Name", "QueryString", "WorkGroup"}),
    "AWS::Athena::WorkGroup": frozenset(
        {
            "Description",
            "Name",
            "RecursiveDeleteOption",
            "State",
            "Tags.*",
            "WorkGroupConfiguration.BytesScannedCutoffPerQuery",
            "WorkGroupConfiguration.EnforceWorkGroupConfiguration",
            "WorkGroupConfiguration.EngineVersion.SelectedEngineVersion",
            "WorkGroupConfiguration.ResultConfiguration.OutputLocation",
        }
    ),
    "AWS::Budgets::Budget": frozenset({"Budget.BudgetName"}),
    "AWS::CDK::Metadata": frozenset(),
    "AWS::CloudWatch::Alarm": frozenset({"AlarmName", "Tags.*"}),
    "AWS::CloudWatch::Dashboard": frozenset({"DashboardBody", "DashboardName"}),
    "AWS::DynamoDB::Table": frozenset(
        {
            "AttributeDefinitions.*",
            "BillingMode",
            "DeletionProtectionEnabled",
            "GlobalSecondaryIndexes.*",
            "KeySchema.*",
            "KinesisStreamSpecification.ApproximateCreationDateTimePrecision",
            "KinesisStreamSpecification.StreamArn",
            "LocalSecondaryIndexes.*",
            "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled",
            "PointInTimeRecoverySpecification.RecoveryPeriodInDays",
            "StreamSpecification.StreamViewType",
            "TableName",
            "Tags.*",
            "TimeToLiveSpecification.AttributeName",
            "TimeToLiveSpecification.Enabled",
        }
    ),
    "AWS::Glue::Crawler": frozenset(
        {
            "Configuration",
            "DatabaseName",
            "Description",
            "Name",
            "RecrawlPolicy.RecrawlBehavior",
            "Schedule.ScheduleExpression",
            "SchemaChangePolicy.DeleteBehavior",
            "SchemaChangePolicy.UpdateBehavior",
            "TablePrefix",
            "Tags.*",
            "Targets.CatalogTargets.DatabaseName",
            "Targets.CatalogTargets.Tables",
            "Targets.S3Targets.Exclusions",
            "Targets.S3Targets.Path",
            "Targets.S3Targets.SampleSize",
        }
    ),
    "AWS::Glue::Database": frozenset(
        {
            "CatalogId",
            "DatabaseInput.Description",
            "DatabaseInput.LocationUri",
            "DatabaseInput.Name",
            "DatabaseInput.Parameters.*",
        }
    ),
    "AWS::Glue::SecurityConfiguration": frozenset({"Name"}),
    "AWS::Glue::Table": frozenset({"CatalogId", "DatabaseName", "TableInput.*"}),
    "AWS::IAM::ManagedPolicy": frozenset({"Description", "ManagedPolicyName", "Path", "Roles", "Tags.*"}),
    "AWS::IAM::Policy": frozenset({"PolicyName", "Roles"}),
    "AWS::IAM::Role": frozenset(
        {
            "Description",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "Path",
            "Policies.PolicyName",
            "RoleName",
            "Tags.*",
        }
    ),
    "AWS::KMS::Alias": frozenset({"AliasName", "TargetKeyId"}),
    "AWS::KMS::Key": frozenset({"Description", "EnableKeyRotation", "KeySpec", "KeyUsage", "Tags.*"}),
    "AWS::Kinesis::Stream": frozenset(
        {"Name", "RetentionPeriodHours", "ShardCount", "StreamModeDetails.StreamMode", "Tags.*"}
    ),
    "AWS::KinesisFirehose::DeliveryStream": frozenset(
        {
            "DeliveryStreamName",
            "DeliveryStreamType",
            "ExtendedS3DestinationConfiguration.BucketARN",
            "ExtendedS3DestinationConfiguration.BufferingHints.IntervalInSeconds",
            "ExtendedS3DestinationConfiguration.BufferingHints.SizeInMBs",
            "ExtendedS3DestinationConfiguration.CloudWatchLoggingOptions.Enabled",
            "ExtendedS3DestinationConfiguration.CloudWatchLoggingOptions.LogGroupName",
            "ExtendedS3DestinationConfiguration.CloudWatchLoggingOptions.LogStreamName",
            "ExtendedS3DestinationConfiguration.CompressionFormat",
            "ExtendedS3DestinationConfiguration.CustomTimeZone",
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.Enabled",
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.InputFormatConfiguration.Deserializer.HiveJsonSerDe.TimestampFormats",
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.InputFormatConfiguration.Deserializer.OpenXJsonSerDe.*",
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.OutputFormatConfiguration.Serializer.ParquetSerDe.*",
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.SchemaConfiguration.CatalogId",
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.SchemaConfiguration.DatabaseName",
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.SchemaConfiguration.Region",
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.SchemaConfiguration.TableName",
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.SchemaConfiguration.VersionId",
            "ExtendedS3DestinationConfiguration.ErrorOutputPrefix",
            "ExtendedS3DestinationConfiguration.FileExtension",
            "ExtendedS3DestinationConfiguration.Prefix",
            "ExtendedS3DestinationConfiguration.ProcessingConfiguration.Enabled",
            "ExtendedS3DestinationConfiguration.ProcessingConfiguration.Processors.Parameters.ParameterName",
            "ExtendedS3DestinationConfiguration.ProcessingConfiguration.Processors.Parameters.ParameterValue",
            "ExtendedS3DestinationConfiguration.ProcessingConfiguration.Processors.Type",
            "KinesisStreamSourceConfiguration.KinesisStreamARN",
            "Tags.*",
        }
    ),
    "AWS::Lambda::Function": frozenset(
        {
            "Code.S3Bucket",
            "Code.S3Key",
            "Code.ZipFile",
            "Description",
            "Environment.Variables.*",
            "FunctionName",
            "Handler",
            "LoggingConfig.LogGroup",
            "Runtime",
            "Tags.*",
            "Timeout",
        }
    ),
    "AWS::Logs::LogGroup": frozenset({"LogGroupName", "Tags.*"}),
    "AWS::Logs::LogStream": frozenset({"LogGroupName", "LogStreamName"}),
    "AWS::Logs::MetricFilter": frozenset({"FilterName", "LogGroupName"}),
    "AWS::S3::Bucket": frozenset({"BucketName", "Tags.*", "VersioningConfiguration.Status"}),
    "AWS::S3::BucketPolicy": frozenset({"Bucket"}),
    "AWS::SNS::Subscription": frozenset({"TopicArn"}),
    "AWS::SNS::Topic": frozenset({"DisplayName", "Tags.*", "TopicName"}),
    "AWS::SNS::TopicPolicy": frozenset({"Topics"}),
    "AWS::SSM::Parameter": frozenset({"AllowedPattern", "Description", "Name", "Tags.*", "Type", "Value"}),
}

NO_EFFECT: dict[str, frozenset[str]] = {
    "AWS::Athena::WorkGroup": frozenset(
        {
            "WorkGroupConfiguration.PublishCloudWatchMetricsEnabled",
            "WorkGroupConfiguration.ResultConfiguration.EncryptionConfiguration.EncryptionOption",
            "WorkGroupConfiguration.ResultConfiguration.EncryptionConfiguration.KmsKey",
        }
    ),
    # costs are not counted
    "AWS::Budgets::Budget": frozenset(
        {
            "Budget.BudgetLimit.Amount",
            "Budget.BudgetLimit.Unit",
            "Budget.BudgetType",
            "Budget.CostFilters.*",
            "Budget.TimeUnit",
            "NotificationsWithSubscribers.*",
        }
    ),
    "AWS::CDK::Metadata": frozenset({"Analytics"}),
    # alarms are not evaluated
    "AWS::CloudWatch::Alarm": frozenset(
        {
            "ActionsEnabled",
            "AlarmActions",
            "AlarmDescription",
            "ComparisonOperator",
            "DatapointsToAlarm",
            "Dimensions.Name",
            "Dimensions.Value",
            "EvaluationPeriods",
            "InsufficientDataActions",
            "MetricName",
            "Metrics.*",
            "Namespace",
            "OKActions",
            "Period",
            "Statistic",
            "Threshold",
            "TreatMissingData",
        }
    ),
    "AWS::DynamoDB::Table": frozenset(
        {
            "ProvisionedThroughput.ReadCapacityUnits",
            "ProvisionedThroughput.WriteCapacityUnits",
            "SSESpecification.KMSMasterKeyId",
            "SSESpecification.SSEEnabled",
            "SSESpecification.SSEType",
        }
    ),
    "AWS::Glue::Crawler": frozenset({"CrawlerSecurityConfiguration", "Role"}),
    "AWS::Glue::SecurityConfiguration": frozenset(
        {
            "EncryptionConfiguration.CloudWatchEncryption.CloudWatchEncryptionMode",
            "EncryptionConfiguration.CloudWatchEncryption.KmsKeyArn",
            "EncryptionConfiguration.JobBookmarksEncryption.JobBookmarksEncryptionMode",
            "EncryptionConfiguration.JobBookmarksEncryption.KmsKeyArn",
            "EncryptionConfiguration.S3Encryptions.KmsKeyArn",
            "EncryptionConfiguration.S3Encryptions.S3EncryptionMode",
        }
    ),
    "AWS::IAM::ManagedPolicy": frozenset({"PolicyDocument.*"}),
    "AWS::IAM::Policy": frozenset({"PolicyDocument.*"}),
    "AWS::IAM::Role": frozenset({"AssumeRolePolicyDocument.*", "Policies.PolicyDocument.*"}),
    "AWS::KMS::Key": frozenset({"KeyPolicy.*", "PendingWindowInDays"}),
    "AWS::Kinesis::Stream": frozenset({"StreamEncryption.EncryptionType", "StreamEncryption.KeyId"}),
    "AWS::KinesisFirehose::DeliveryStream": frozenset(
        {
            "ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.SchemaConfiguration.RoleARN",
            "ExtendedS3DestinationConfiguration.EncryptionConfiguration.KMSEncryptionConfig.AWSKMSKeyARN",
            "ExtendedS3DestinationConfiguration.RoleARN",
            "KinesisStreamSourceConfiguration.RoleARN",
        }
    ),
    # functions run on this machine, with the memory that it has
    "AWS::Lambda::Function": frozenset({"Architectures", "MemorySize", "Role"}),
    "AWS::Logs::LogGroup": frozenset({"KmsKeyId", "RetentionInDays"}),
    "AWS::Logs::MetricFilter": frozenset(
        {
            "FilterPattern",
            "MetricTransformations.MetricName",
            "MetricTransformations.MetricNamespace",
            "MetricTransformations.MetricValue",
        }
    ),
    # the settings are kept and shown; nothing is encrypted, and no object is deleted by its age
    "AWS::S3::Bucket": frozenset(
        {
            "BucketEncryption.ServerSideEncryptionConfiguration.BucketKeyEnabled",
            "BucketEncryption.ServerSideEncryptionConfiguration.ServerSideEncryptionByDefault.KMSMasterKeyID",
            "BucketEncryption.ServerSideEncryptionConfiguration.ServerSideEncryptionByDefault.SSEAlgorithm",
            "LifecycleConfiguration.Rules.AbortIncompleteMultipartUpload.DaysAfterInitiation",
            "LifecycleConfiguration.Rules.ExpirationInDays",
            "LifecycleConfiguration.Rules.Id",
            "LifecycleConfiguration.Rules.Prefix",
            "LifecycleConfiguration.Rules.Status",
            "OwnershipControls.Rules.ObjectOwnership",
            "PublicAccessBlockConfiguration.BlockPublicAcls",
            "PublicAccessBlockConfiguration.BlockPublicPolicy",
            "PublicAccessBlockConfiguration.IgnorePublicAcls",
            "PublicAccessBlockConfiguration.RestrictPublicBuckets",
        }
    ),
    "AWS::S3::BucketPolicy": frozenset({"PolicyDocument.*"}),
    # what is published stays here
    "AWS::SNS::Subscription": frozenset({"Endpoint", "Protocol"}),
    "AWS::SNS::Topic": frozenset({"KmsMasterKeyId"}),
    "AWS::SNS::TopicPolicy": frozenset({"PolicyDocument.*"}),
    "AWS::SSM::Parameter": frozenset({"Tier"}),
}


def refused(resource_type: str, properties: Mapping[str, Any]) -> str | None:
    """Why local AWS cannot make a resource as its template describes it; None if it can.

    Args:
        resource_type: Such as `AWS::S3::Bucket`.
        properties: Its properties; parts that are intrinsic functions are passed over, whatever they hold.
    """
    if is_custom(resource_type):
        # what else there is goes to the function
        return None if "ServiceToken" in properties else f"the property ServiceToken of {resource_type} is missing"
    if resource_type not in HONOURED:
        return f"local AWS does not make resources of type {resource_type}"
    allowed = HONOURED[resource_type] | NO_EFFECT.get(resource_type, frozenset())
    unknown = sorted({path for path in _paths(properties, "") if not _is_allowed(path, allowed)})
    if unknown:
        return f"local AWS does not know the properties {', '.join(unknown)} of {resource_type}"
    return None


def _is_allowed(path: str, allowed: frozenset[str]) -> bool:
    # the last is for lists and tables that are empty
    if path in allowed or any(name.startswith(f"{path}.") for name in allowed):
        return True
    parts = path.split(".")
    return any(".".join(parts[:length]) + ".*" in allowed for length in range(1, len(parts)))


def _paths(value: Any, path: str) -> Iterator[str]:
    """The paths of all values that hold no others."""
    if function_of(value) is not None:
        return
    if isinstance(value, list) and value:
        for item in value:
            yield from _paths(item, path)
    elif isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _paths(item, f"{path}.{key}" if path else key)
    elif path:
        yield path
