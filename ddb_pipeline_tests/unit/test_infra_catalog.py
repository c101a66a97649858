"""What the catalog and Athena are told: each sentence of the design has a test here."""

import json

import pytest
import sqlglot
from sqlglot import exp

from ddb_pipeline import change_row, projection
from ddb_pipeline.catalog_tables import all_tables
from ddb_pipeline_tests.unit.infra_templates import (
    OPERATOR,
    ORDERS,
    READER,
    Template,
    declaration,
    resolved,
    resource,
    resources,
    template,
)
from infra_cdk.components.lake_formation import grants_of

STAGES = ["local", "dev", "prod"]

VIEWS = {
    "latest_item_state",
    "change_counts",
    "item_history",
    "deleted_items",
    "attribute_changes",
    "change_problems",
}


@pytest.fixture(scope="module", params=STAGES)
def stage(request):
    return declaration().stage(request.param)


@pytest.fixture(scope="module")
def stack(stage):
    return Template.from_json(template(stage.name))


# --- catalog


def table_of(stage_name, name):
    """The catalog table of that name."""
    tables = resources(stage_name, "AWS::Glue::Table").values()
    (found,) = [table for table in tables if table["Properties"]["TableInput"]["Name"] == name]
    return found


@pytest.mark.parametrize(
    ("storage", "classification", "compression"),
    [(change_row.STORAGES["json"], "json", "gzip"), (change_row.STORAGES["parquet"], "parquet", "none")],
)
def test_the_tables_of_changes_are_the_change_row_contract(stage, storage, classification, compression):
    table = table_of(stage.name, storage.table)["Properties"]
    content = table["TableInput"]
    described = content["StorageDescriptor"]
    (raw,) = [name for name in resources(stage.name, "AWS::S3::Bucket") if "Raw" in name]

    def columns(found):
        return [(column["Name"], column["Type"], column["Comment"]) for column in found]

    def contract(wanted):
        return [(column.name, column.type, column.comment) for column in wanted]

    assert table["DatabaseName"] == f"ddb_{stage.name}_persons"
    assert columns(described["Columns"]) == contract(change_row.COLUMNS)
    assert columns(content["PartitionKeys"]) == contract(change_row.PARTITION_COLUMNS)
    assert resolved(described["Location"], {raw: "bucket"}) == f"s3://bucket/{storage.prefix}"
    assert described["SerdeInfo"]["SerializationLibrary"] == storage.serialization_library
    assert described["InputFormat"] == storage.input_format
    assert described["OutputFormat"] == storage.output_format
    # what a crawler compares: without compressionType it deprecates the table
    assert content["Parameters"] == {
        "EXTERNAL": "TRUE",
        "classification": classification,
        "compressionType": compression,
        "typeOfData": "file",
    }
    assert content["TableType"] == "EXTERNAL_TABLE"


@pytest.mark.parametrize(("table_name", "ending"), [("changes", ""), ("changes_parquet", "-parquet")])
def test_each_crawler_registers_hours_of_its_table_and_changes_nothing(stage, table_name, ending):
    name = f"ddb-change-analytics-{stage.name}-persons{ending}"
    (crawler,) = [
        found for found in resources(stage.name, "AWS::Glue::Crawler").values() if found["Properties"]["Name"] == name
    ]
    table = {
        name: found
        for name, found in resources(stage.name, "AWS::Glue::Table").items()
        if found["Properties"]["TableInput"]["Name"] == table_name
    }
    database = resources(stage.name, "AWS::Glue::Database")
    properties = crawler["Properties"]
    assert properties["Targets"] == {
        "CatalogTargets": [{"DatabaseName": f"ddb_{stage.name}_persons", "Tables": [table_name]}]
    }
    assert properties["SchemaChangePolicy"] == {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    assert json.loads(properties["Configuration"]) == {
        "Version": 1.0,
        "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
        "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"},
    }
    assert "Schedule" not in properties
    assert crawler["DependsOn"] == list(table)
    assert next(iter(table.values()))["DependsOn"] == list(database)


def test_where_partitions_are_projected_there_is_no_crawler(stage):
    for resource_type in ("Crawler", "SecurityConfiguration"):
        assert not resources(stage.name, f"AWS::Glue::{resource_type}", "order_lines")
    for table in resources(stage.name, "AWS::Glue::Table", "order_lines").values():
        content = table["Properties"]["TableInput"]
        parameters = {name: value for name, value in content["Parameters"].items() if "projection" in name}
        is_of_changes = content["Name"] in {"changes", "changes_parquet"}
        assert parameters == (projection.parameters(ORDERS.start_date) if is_of_changes else {})


def test_the_name_of_the_security_configuration_carries_a_hash_of_its_content():
    names = {}
    for stage_name in STAGES:
        found = resource(stage_name, "AWS::Glue::SecurityConfiguration")
        (logical_id,) = resources(stage_name, "AWS::Glue::SecurityConfiguration")
        for crawler in resources(stage_name, "AWS::Glue::Crawler").values():
            assert crawler["Properties"]["CrawlerSecurityConfiguration"] == {"Ref": logical_id}
        prefix, digest = found["Properties"]["Name"].rsplit("-", 1)
        assert prefix == f"ddb-change-analytics-{stage_name}-persons"
        assert len(bytes.fromhex(digest)) == 4
        names[digest] = found["Properties"]["EncryptionConfiguration"]
    assert len(names) == 1, "the same content has the same hash"


@pytest.mark.parametrize("pipeline", ["persons", "order_lines"])
def test_each_table_is_declared_exactly_as_a_repair_makes_it(stage, pipeline):
    projected = projection.parameters(ORDERS.start_date) if pipeline == ORDERS.name else {}
    (raw,) = [name for name in resources(stage.name, "AWS::S3::Bucket", pipeline) if "Raw" in name]
    found = {}
    for table in resources(stage.name, "AWS::Glue::Table", pipeline).values():
        content = table["Properties"]["TableInput"]
        storage = content["StorageDescriptor"]
        storage = {**storage, "Location": resolved(storage["Location"], {raw: "bucket"})}
        found[content["Name"]] = {**content, "StorageDescriptor": storage}
    assert found == {table.name: table.table_input("bucket") for table in all_tables("gzip", projected)}


# --- Athena


def test_the_workgroup_enforces_engine_encryption_place_and_scan_cutoff(stack, stage):
    (results,) = [name for name in resources(stage.name, "AWS::S3::Bucket") if "Results" in name]
    workgroup = resource(stage.name, "AWS::Athena::WorkGroup")["Properties"]
    configuration = workgroup["WorkGroupConfiguration"]
    assert workgroup["Name"] == f"ddb-change-analytics-{stage.name}-persons"
    assert workgroup["RecursiveDeleteOption"] is not stage.keep_data
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["EngineVersion"] == {"SelectedEngineVersion": "Athena engine version 3"}
    assert configuration["BytesScannedCutoffPerQuery"] == stage.scan_cutoff_mebibytes * 1024 * 1024
    result = configuration["ResultConfiguration"]
    assert resolved(result["OutputLocation"], {results: "bucket"}) == "s3://bucket/queries/"
    assert result["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"


def test_saved_queries_read_the_views_and_say_what_they_answer(stage):
    (workgroup,) = resources(stage.name, "AWS::Athena::WorkGroup")
    queries = resources(stage.name, "AWS::Athena::NamedQuery").values()
    assert [query["Properties"]["Name"] for query in queries] == [
        "changes_of_an_attribute",
        "changes_per_hour",
        "history_of_an_item",
        "items_at_a_moment",
        "open_problems",
        "persons_by_area_and_type",
        "recently_changed_items",
        "recently_deleted_items",
        "undecided_items",
    ]
    for query in queries:
        properties = query["Properties"]
        assert properties["Database"] == f"ddb_{stage.name}_persons"
        assert properties["WorkGroup"] == f"ddb-change-analytics-{stage.name}-persons"
        assert query["DependsOn"] == [workgroup]
        sql = resolved(properties["QueryString"], {})
        assert sql.startswith(f"-- {properties['Description']}\n")
        assert "${" not in sql
        if properties["Name"] != "items_at_a_moment":
            (view,) = sqlglot.parse_one(sql, dialect="athena").find_all(exp.Table)
            assert view.name in VIEWS


# --- Lake Formation


def test_a_grant_keeps_its_id_whoever_comes_goes_or_changes_place():
    def ids(operators, readers):
        made = grants_of(operators=operators, readers=readers, crawler_role="crawler", delivery_role="delivery")
        return {id_: principal for id_, (principal, _) in made.items()}

    first, second, third = (f"arn:aws:iam::111122223333:role/{name}" for name in "abc")
    before = ids([first, second], [third])

    assert ids([second, first], [third]) == before
    assert ids([second], [third]).items() < before.items()
    assert len(before) == 5


def grants():
    """What Lake Formation is told in `dev`: permissions by principal and kind of resource."""
    found = {}
    for one in resources("dev", "AWS::LakeFormation::PrincipalPermissions").values():
        properties = one["Properties"]
        (kind,) = properties["Resource"]
        assert properties["PermissionsWithGrantOption"] == []
        principal = properties["Principal"]["DataLakePrincipalIdentifier"]
        found[json.dumps(principal), kind] = (properties["Permissions"], properties["Resource"][kind])
    return found


def test_lake_formation_grants_what_each_needs_on_this_database_alone():
    found = grants()

    permissions = {key: value for key, (value, _) in found.items()}
    assert permissions[json.dumps(READER), "Table"] == ["DESCRIBE", "SELECT"]
    assert "DROP" in permissions[json.dumps(OPERATOR), "Table"]
    assert permissions[json.dumps(OPERATOR), "Database"] == ["CREATE_TABLE", "DESCRIBE"]
    # and the crawlers' role and Firehose's
    assert len({principal for principal, _ in found}) == 4
    names = {target.get("DatabaseName", target.get("Name")) for _, target in found.values()}
    assert names == {"ddb_dev_persons"}
    delivery_role = resource("dev", "AWS::KinesisFirehose::DeliveryStream")["Properties"][
        "ExtendedS3DestinationConfiguration"
    ]["RoleARN"]
    tables = {principal: target for (principal, kind), (_, target) in found.items() if kind == "Table"}
    assert tables.pop(json.dumps(delivery_role))["Name"] == "changes_parquet"
    assert all("TableWildcard" in target for target in tables.values())


def test_lake_formation_is_asked_for_one_grant_at_a_time():
    """CloudFormation makes at once what waits for nothing, and Lake Formation fails some of the grants then."""
    made = resources("dev", "AWS::LakeFormation::PrincipalPermissions")
    waits_for = {name: [other for other in one["DependsOn"] if other in made] for name, one in made.items()}

    assert len(made) == 8
    (first,) = [name for name, others in waits_for.items() if not others]
    waited_for = [other for name in made if name != first for (other,) in [waits_for[name]]]
    assert len(set(waited_for)) == len(made) - 1, "they stand in one line"
    # the database and the roles are there before the first
    types = {template("dev")["Resources"][name]["Type"] for name in made[first]["DependsOn"]}
    assert types >= {"AWS::Glue::Database", "AWS::IAM::Role"}


def test_lake_formation_knows_firehose_before_it_looks_for_its_schema():
    after = resource("dev", "AWS::KinesisFirehose::DeliveryStream", ORDERS.name)["DependsOn"]
    assert set(resources("dev", "AWS::LakeFormation::PrincipalPermissions", ORDERS.name)) <= set(after)


@pytest.mark.parametrize("stage_name", ["local", "prod"])
def test_lake_formation_is_left_alone_unless_somebody_is_named(stage_name):
    assert resources(stage_name, "AWS::LakeFormation::PrincipalPermissions") == {}
