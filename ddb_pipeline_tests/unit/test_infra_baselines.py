"""Baselines in the template: three tables for everybody, a function and more rights for those who export."""

from ddb_pipeline import baselines
from ddb_pipeline_tests.unit.infra_templates import resolved, resources
from ddb_pipeline_tests.unit.test_infra_permissions import as_list, policy_documents

EXPORTING = "order_lines"


def test_the_three_tables_have_the_columns_of_a_baseline():
    (raw,) = [name for name in resources("dev", "AWS::S3::Bucket") if "Raw" in name]
    found = {}
    for table in resources("dev", "AWS::Glue::Table").values():
        content = table["Properties"]["TableInput"]
        found[content["Name"]] = content
    folders = {
        name: content["StorageDescriptor"]["Location"]
        for name, content in found.items()
        if not name.startswith("changes")
    }
    assert resolved(folders, {raw: "bucket"}) == {
        "baselines": "s3://bucket/baselines/data/",
        "baseline_candidates": "s3://bucket/baselines/data/",
        "exported_items": "s3://bucket/baselines/exported_items/",
    }
    wanted = [(column.name, column.type) for column in baselines.BASELINE_COLUMNS]
    for name in folders:
        columns = found[name]["StorageDescriptor"]["Columns"]
        assert [(column["Name"], column["Type"]) for column in columns] == wanted
        assert [column["Name"] for column in found[name]["PartitionKeys"]] == ["baseline_id"]
    assert "parquet" in found["baselines"]["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
    assert found["exported_items"]["Parameters"]["classification"] == "json"


def test_only_a_pipeline_that_exports_has_the_converter_and_point_in_time_recovery():
    def is_converter(name):
        return "BaselineConverter" in name

    assert not [name for name in resources("dev", "AWS::Lambda::Function") if is_converter(name)]
    (function,) = [
        found for name, found in resources("dev", "AWS::Lambda::Function", EXPORTING).items() if is_converter(name)
    ]
    assert function["Properties"]["Handler"] == "baseline_converter.handler"
    for pipeline, on in ((EXPORTING, True), ("persons", False)):
        (table,) = resources("dev", "AWS::DynamoDB::Table", pipeline).values()
        recovery = table["Properties"]["PointInTimeRecoverySpecification"]
        assert recovery == {"PointInTimeRecoveryEnabled": on}


def test_both_converters_are_one_package():
    functions = resources("dev", "AWS::Lambda::Function", EXPORTING)
    codes = [found["Properties"]["Code"] for name, found in functions.items() if "Converter" in name]
    assert len(codes) == 2
    assert codes[0] == codes[1]


def statements(kind, prefix):
    return {
        statement["Sid"]: statement
        for name, resource in resources("dev", kind, EXPORTING).items()
        if name.startswith(prefix)
        for document in policy_documents(resource)
        for statement in resolved(document["Statement"], {})
        if "Sid" in statement
    }


def test_whoever_exports_may_do_so_for_its_table_and_no_more():
    (table,) = resources("dev", "AWS::DynamoDB::Table", EXPORTING)
    (raw,) = [name for name in resources("dev", "AWS::S3::Bucket", EXPORTING) if "Raw" in name]
    (converter,) = [
        name for name in resources("dev", "AWS::Lambda::Function", EXPORTING) if "BaselineConverter" in name
    ]
    found = statements("AWS::IAM::ManagedPolicy", "AccessPolicy")
    assert as_list(found["ExportTable"]["Resource"]) == [f"{table}.Arn"]
    assert found["ExportTable"]["Action"] == "dynamodb:ExportTableToPointInTime"
    assert found["FollowExport"]["Resource"] == f"{table}.Arn/export/*"
    assert found["OwnExport"]["Resource"] == f"{raw}.Arn/baselines/exports/*"
    assert found["ConvertExport"]["Resource"] == f"{converter}.Arn"


def test_the_converter_reads_exports_and_writes_rows():
    (raw,) = [name for name in resources("dev", "AWS::S3::Bucket", EXPORTING) if "Raw" in name]
    found = statements("AWS::IAM::Role", "BaselineConverter")
    assert found["ReadExport"]["Resource"] == f"{raw}.Arn/baselines/exports/*"
    assert found["WriteRows"]["Resource"] == f"{raw}.Arn/baselines/exported_items/*"
    assert found["WriteRows"]["Action"] == ["s3:AbortMultipartUpload", "s3:PutObject"]
    assert set(found) == {"Log", "ReadExport", "WriteRows", "UseKeyThroughS3"}


def test_the_names_tell_of_the_converter():
    (parameter,) = resources("dev", "AWS::SSM::Parameter", EXPORTING).values()
    assert "BaselineConverter" in str(parameter["Properties"]["Value"])
