"""Who may do what: every policy of every template, read statement by statement."""

import json

import pytest

from ddb_pipeline_tests.unit.infra_templates import all_templates, resolved, resources, template

NAMES = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "1", "AWS::URLSuffix": "amazonaws.com"}

FIND_STREAM = ("AWS::IAM::Role", "FindStream")
# Statements on all resources, with the reason
UNLIMITED = {
    ("AWS::KMS::Key", "AccountDecidesByIam"): "in a key's own policy, * is this key",
    ("AWS::KMS::Key", "LogGroups"): "in a key's own policy, * is this key",
    ("AWS::KMS::Key", "Alarms"): "in a key's own policy, * is this key",
    ("AWS::IAM::Role", "ReadSecurityConfiguration"): "Glue has no ARN for a security configuration",
    FIND_STREAM: "kinesis:ListStreams, which DynamoDB calls to find a stream, lists all",
    ("AWS::IAM::ManagedPolicy", "SeeArrivals"): "CloudWatch has no ARN for a metric",
    ("AWS::IAM::ManagedPolicy", "ReadRegistered"): "Lake Formation has no ARN for it, and its own grants decide",
}


def policy_documents(resource, *, but=None):
    """Every policy document of a resource, wherever it is kept, but the one in a property that is named."""
    found = []
    waiting = [value for name, value in resource["Properties"].items() if name != but]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "Statement" in value:
                found.append(value)
            else:
                waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found


def as_list(value):
    return value if isinstance(value, list) else [value]


def statements(templates=None):
    """Every statement of every template, with where it is."""
    return [
        (file, name, resource["Type"], statement)
        for file, content in (templates or all_templates()).items()
        for name, resource in content["Resources"].items()
        for document in policy_documents(resource)
        for statement in as_list(document["Statement"])
    ]


def statements_of(logical_id_prefix, stage="dev", pipeline="persons"):
    """The statements of a role, or of all policies that begin so, by their ids, as CloudFormation makes them."""
    found = [
        resource
        for name, resource in template(stage, pipeline)["Resources"].items()
        if name.startswith(logical_id_prefix) and resource["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}
    ]
    return {
        statement["Sid"]: resolved(statement, NAMES)
        for resource in found
        for document in policy_documents(resource, but="AssumeRolePolicyDocument")
        for statement in document["Statement"]
    }


def test_all_kinds_of_policies_are_read():
    types = {resource_type for _, _, resource_type, _ in statements()}
    assert types == {
        "AWS::KMS::Key",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::IAM::Role",
        "AWS::IAM::ManagedPolicy",
    }


def test_no_action_holds_a_wildcard():
    for file, name, _, statement in statements():
        assert "NotAction" not in statement, (file, name)
        for action in as_list(statement["Action"]):
            assert "*" not in action, (file, name, action)
            assert "?" not in action, (file, name, action)


def unlimited(templates):
    """Statements on all resources: the type of what holds them, and their ids."""
    found = set()
    for _, _, resource_type, statement in statements(templates):
        assert "NotResource" not in statement
        if "*" in as_list(statement.get("Resource")):
            found.add((resource_type, statement["Sid"]))
    return found


def test_all_resources_are_named_but_where_it_has_a_reason():
    """Those of an existing table: test_infra_tables."""
    assert unlimited(all_templates()) == set(UNLIMITED) - {FIND_STREAM}


def test_only_deny_statements_are_for_everyone():
    for file, name, _, statement in statements():
        if "*" in str(statement.get("Principal", "")):
            assert statement["Effect"] == "Deny", (file, name)


def test_roles_carry_no_policies_of_aws():
    for stage in ("local", "dev", "prod"):
        for role in resources(stage, "AWS::IAM::Role").values():
            assert "ManagedPolicyArns" not in role["Properties"]
        assert resources(stage, "AWS::IAM::Policy") == {}


def test_the_key_is_used_through_named_services_only():
    for file, name, resource_type, statement in statements():
        if resource_type != "AWS::KMS::Key" and any(
            action.startswith("kms:") for action in as_list(statement["Action"])
        ):
            assert "kms:ViaService" in statement["Condition"]["StringEquals"], (file, name)


@pytest.mark.parametrize(
    ("role_prefix", "service", "condition"),
    [
        ("DeliveryRole", "firehose.amazonaws.com", {"StringEquals": {"sts:ExternalId": "1"}}),
        ("CrawlerRole", "glue.amazonaws.com", {"StringEquals": {"aws:SourceAccount": "1"}}),
        ("DeliveryConverterRole", "lambda.amazonaws.com", None),
        ("ItemLoaderRole", "lambda.amazonaws.com", None),
    ],
)
def test_a_role_trusts_one_service_for_this_account(role_prefix, service, condition):
    (role,) = [found for name, found in resources("dev", "AWS::IAM::Role").items() if name.startswith(role_prefix)]
    (trust,) = resolved(role["Properties"]["AssumeRolePolicyDocument"]["Statement"], NAMES)
    assert trust["Principal"] == {"Service": service}
    assert trust.get("Condition") == condition


def test_the_loader_may_write_items_of_its_table():
    found = statements_of("ItemLoaderRole")
    (table,) = resources("dev", "AWS::DynamoDB::Table")
    assert list(found) == ["Log", "WriteItems", "UseKeyThroughDynamodb"]
    assert found["WriteItems"]["Action"] == ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    assert found["WriteItems"]["Resource"] == f"{table}.Arn"


def test_where_partitions_are_projected_nobody_may_crawl_or_register_hours():
    assert not {"Crawl", "RepairHours"} & set(statements_of("AccessPolicy", pipeline="order_lines"))


def test_partitions_are_deleted_of_baselines_alone():
    found = statements_of("AccessPolicy", pipeline="order_lines")
    (deleting,) = [one for one in found.values() if "glue:DeletePartition" in as_list(one["Action"])]
    tables = {resource.rpartition("/")[2] for resource in deleting["Resource"] if ":table/" in resource}
    assert tables == {"baselines", "baseline_candidates", "exported_items"}
    assert "glue:DeletePartition" not in json.dumps(list(statements_of("AccessPolicy").values()))


def test_where_there_are_no_baselines_nobody_may_read_or_write_any():
    written = {
        pipeline: json.dumps(list(statements_of("AccessPolicy", pipeline=pipeline).values()))
        for pipeline in ("persons", "order_lines")
    }
    assert ["baselines/" in text for text in written.values()] == [False, True]


def test_the_pipeline_may_do_what_it_does_and_nothing_else():
    found = statements_of("AccessPolicy")
    arn = "arn:aws:{}:eu-west-1:1:{}".format
    buckets = resources("dev", "AWS::S3::Bucket")
    (raw,) = [name for name in buckets if "Raw" in name]
    (results,) = [name for name in buckets if "Results" in name]
    (table,) = resources("dev", "AWS::DynamoDB::Table")
    (topic,) = resources("dev", "AWS::SNS::Topic")
    (stream,) = resources("dev", "AWS::Kinesis::Stream")
    (key,) = resources("dev", "AWS::KMS::Key")
    assert {sid: as_list(statement["Resource"]) for sid, statement in found.items()} == {
        "ReadNames": [arn("ssm", "parameter/ddb-change-analytics/dev/persons")],
        "Crawl": [arn("glue", f"crawler/ddb-change-analytics-dev-persons{ending}") for ending in ("", "-parquet")],
        "UseCatalog": [
            arn("glue", "catalog"),
            arn("glue", "database/ddb_dev_persons"),
            arn("glue", "table/ddb_dev_persons/*"),
        ],
        "FindDatabases": [arn("glue", what) for what in ("catalog", "database/ddb_dev_persons", "database/default")],
        "ListDatabases": [arn("glue", what) for what in ("catalog", "database/ddb_dev_persons")],
        "RunQueries": [arn("athena", "workgroup/ddb-change-analytics-dev-persons")],
        "FindBuckets": [f"{raw}.Arn", f"{results}.Arn"],
        "ReadRawObjects": [f"{raw}.Arn/changes/*", f"{raw}.Arn/changes_parquet/*", f"{raw}.Arn/errors/*"],
        "Remember": [f"{raw}.Arn/capture.json", f"{raw}.Arn/catalog/item_columns.json"],
        "SeeUploads": [f"{results}.Arn"],
        "WatchCapture": [f"{table}.Arn"],
        "WatchStream": [f"{stream}.Arn"],
        "UseResults": [f"{results}.Arn/queries/*"],
        # in dev Lake Formation decides
        "ReadRegistered": ["*"],
        "TellOfFailures": [topic],
        "CompareItems": [f"{table}.Arn"],
        "SeeArrivals": ["*"],
        "RepairHours": [
            arn("glue", what)
            for what in (
                "catalog",
                "database/ddb_dev_persons",
                "table/ddb_dev_persons/changes",
                "table/ddb_dev_persons/changes_parquet",
            )
        ],
        "ReplayRecords": [f"{stream}.Arn"],
        "KeepReceipts": [f"{raw}.Arn/errors/*"],
        **{f"UseKeyThrough{service}": [f"{key}.Arn"] for service in ("S3", "Dynamodb", "Kinesis", "Sns")},
    }
    assert found["Crawl"]["Action"] == ["glue:GetCrawler", "glue:ListCrawls", "glue:StartCrawler", "glue:StopCrawler"]
    assert found["ReadNames"]["Action"] == "ssm:GetParameter"
    assert found["WatchStream"]["Action"] == ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary"]
    assert found["TellOfFailures"]["Action"] == "sns:Publish"
    assert found["ReadRegistered"]["Action"] == "lakeformation:GetDataAccess"
    assert "ReadRegistered" not in statements_of("AccessPolicy", stage="prod")
    assert found["UseKeyThroughSns"]["Condition"] == {
        "StringEquals": {"kms:ViaService": "sns.eu-west-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:sns:topicArn": topic},
    }
    assert found["ReadRawObjects"]["Action"] == "s3:GetObject"
    assert found["Remember"]["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert {"athena:StartQueryExecution", "athena:StopQueryExecution"} <= set(found["RunQueries"]["Action"])
    for policy in resources("dev", "AWS::IAM::ManagedPolicy").values():
        assert not {"Roles", "Users", "Groups"} & set(policy["Properties"])


# ARNs at their longest, as CloudFormation and AWS make them; names of generated resources have the stack's name
LONGEST_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::" + 63 * "x",
    "AWS::KMS::Key": "arn:aws:kms:ap-southeast-1:123456789012:key/" + 36 * "x",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:ap-southeast-1:123456789012:table/{stack}-{name}-" + 13 * "x",
    "AWS::Kinesis::Stream": "arn:aws:kinesis:ap-southeast-1:123456789012:stream/{stack}-{name}-" + 13 * "x",
    "AWS::Lambda::Function": "arn:aws:lambda:ap-southeast-1:123456789012:function:" + 64 * "x",
    "AWS::SNS::Topic": "arn:aws:sns:ap-southeast-1:123456789012:{stack}-{name}-" + 13 * "x",
}
LONGEST_NAMES = 49
"""Stage and pipeline, with the dash between: 16 + 1 + 32 characters (`declaration`)."""


def policy_sizes(templates):
    """Characters of each managed policy, were all names and ARNs in it as long as they can be."""
    region = {**NAMES, "AWS::Region": "ap-southeast-1", "AWS::AccountId": "123456789012"}
    for file, content in templates.items():
        stack = file.partition(".")[0]
        own = stack.removeprefix("ddb-change-analytics-")
        for resource in content["Resources"].values():
            if resource["Type"] != "AWS::IAM::ManagedPolicy":
                continue
            text = json.dumps(resolved(resource["Properties"]["PolicyDocument"], region), separators=(",", ":"))
            for made, other in content["Resources"].items():
                if longest := LONGEST_ARNS.get(other["Type"]):
                    arn = longest.format(stack=stack, name=made)
                    text = text.replace(f"{made}.Arn", arn).replace(f'"{made}"', f'"{arn}"')
            names = text.count(own) + text.count(own.replace("-", "_", 1)) + text.count(own.replace("-", "/", 1))
            yield len(text) + names * (LONGEST_NAMES - len(own))


def test_a_managed_policy_fits_whatever_the_names_are():
    """IAM takes 6,144 characters, white space not counted (user guide, "IAM and AWS STS quotas").

    Crawlers, exports and an existing table together: test_infra_tables.
    """
    assert max(policy_sizes(all_templates())) <= 6144
