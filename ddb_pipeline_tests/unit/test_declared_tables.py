"""Existing tables, streams, keys and data loss in pipeline.toml: what may be said, and where it is refused."""

from pathlib import Path

import pytest

from ddb_pipeline.declaration import Declaration, DeclarationError, load_declaration
from ddb_pipeline.names import ComputedNames

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
RIGHT = """
[pipelines.orders]
partition_key = { name = "id", type = "B" }
sort_key = { name = "line", type = "N" }
start_date = 2026-01-01
PIPELINE

[stages.local]
keep_data = false
confirm_data_loss = "local"

[stages.prod]
STAGE
"""
OTHER = """
[pipelines.lines]
partition_key = { name = "id", type = "S" }
start_date = 2026-01-01
LINES
"""


@pytest.fixture
def written(tmp_path):
    def write(*, pipeline: str = "", stage: str = "", more: str = "") -> Path:
        file = tmp_path / "pipeline.toml"
        text = RIGHT.replace("PIPELINE", pipeline).replace("STAGE", stage) + more
        file.write_text(text, encoding="utf-8")
        return file

    return write


def complaint(file: Path) -> str:
    with pytest.raises(DeclarationError) as caught:
        load_declaration(file)
    return str(caught.value).removeprefix(f"{file}: ")


def tables(declaration: Declaration) -> list[str | None]:
    return [declaration.pipelines["orders"].existing_table.of(stage) for stage in ("local", "prod")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [None, None]),
        ('existing_table = "Orders.v2"', ["Orders.v2", "Orders.v2"]),
        ('existing_table = { prod = "orders-prod" }', [None, "orders-prod"]),
        ('existing_table = { local = "one", prod = "two" }', ["one", "two"]),
        # dotted keys are a table, too
        ('existing_table.prod = "orders-prod"', [None, "orders-prod"]),
    ],
)
def test_a_table_exists_in_all_stages_or_in_some_and_elsewhere_the_stack_makes_it(written, line, expected):
    assert tables(load_declaration(written(pipeline=line))) == expected


def test_an_existing_table_may_have_a_key_of_the_account(written):
    line = f'existing_table = {{ prod = "orders" }}\nexisting_table_key = {{ prod = "{KEY}" }}'
    declared = load_declaration(written(pipeline=line)).pipelines["orders"]
    assert [declared.existing_table_key.of(stage) for stage in ("local", "prod")] == [None, KEY]


RULE = "a table's name of 3 to 255 characters (a-z A-Z 0-9 _ . -), not its ARN"
NO_ALIAS = 'the ARN of a key such as "arn:aws:kms:eu-central-1:111122223333:key/...", of no alias'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'existing_table = "or"',
            f'existing_table: found "or"; allowed is {RULE}, or a table of these by stage',
        ),
        (
            f'existing_table = "{"x" * 256}"',
            f'existing_table: found "{"x" * 76}...; allowed is {RULE}, or a table of these by stage',
        ),
        (
            'existing_table = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders"',
            (
                'existing_table: found "arn:aws:dynamodb:eu-central-1:111122223333:table/orders"; '
                f"allowed is {RULE}, or a table of these by stage"
            ),
        ),
        ("existing_table = {}", f"existing_table: found {{}}; allowed is {RULE}, or a table of these by stage"),
        ("existing_table = true", f"existing_table: found True; allowed is {RULE}, or a table of these by stage"),
        ('existing_table = { prod = "a b c" }', f'existing_table.prod: found "a b c"; allowed is {RULE}'),
        ('existing_table = { prod = ["abc"] }', f"existing_table.prod: found ['abc']; allowed is {RULE}"),
        (
            'existing_table = { test = "orders" }',
            'existing_table.test: found "orders"; allowed is a declared stage: local, prod',
        ),
        (
            'existing_table = "orders"\nexisting_table_key = "alias/orders"',
            f'existing_table_key: found "alias/orders"; allowed is {NO_ALIAS}, or a table of these by stage',
        ),
        (
            f'existing_table_key = {{ prod = "{KEY}" }}',
            (
                f'existing_table_key: found "{KEY}"; allowed is nothing for stage prod, where the stack makes the '
                "table and encrypts it with the stage's own key"
            ),
        ),
        (
            f'existing_table = {{ prod = "orders" }}\nexisting_table_key = "{KEY}"',
            (
                f'existing_table_key: found "{KEY}"; allowed is nothing for stage local, where the stack makes the '
                "table and encrypts it with the stage's own key"
            ),
        ),
        (
            'existing_table = "orders"\ntime_to_live_attribute = "gone_at"',
            (
                'time_to_live_attribute: found "gone_at"; allowed is nothing where every stage has an existing_table: '
                "its time to live is never changed"
            ),
        ),
        (
            'time_to_live_attribute = "id"',
            'time_to_live_attribute: found "id"; allowed is an attribute that is a number: this key is of type "B"',
        ),
        (
            f'time_to_live_attribute = "{"x" * 256}"',
            f'time_to_live_attribute: found "{"x" * 76}...; allowed is 1 to 255 bytes of text',
        ),
    ],
)
def test_what_does_not_fit_a_table_is_refused_with_its_place(written, line, said):
    assert complaint(written(pipeline=line)) == f"pipelines.orders.{said}"


def test_two_pipelines_do_not_stream_one_table_in_one_stage(written):
    first = 'existing_table = { prod = "orders", local = "here" }'
    same = OTHER.replace("LINES", 'existing_table = "orders"')
    assert complaint(written(pipeline=first, more=same)) == (
        'pipelines.lines.existing_table: found "orders"; allowed is a table that no other pipeline streams in stage '
        "prod: pipelines.orders does, and DynamoDB streams a table to one Kinesis stream only"
    )
    swapped = OTHER.replace("LINES", 'existing_table = { local = "orders" }')
    assert load_declaration(written(pipeline=first, more=swapped))


def test_two_pipelines_of_one_name_are_refused_by_their_line(written):
    again = OTHER.replace("LINES", "").replace("pipelines.lines", "pipelines.orders")
    assert complaint(written(more=again)).startswith("is not valid TOML: Cannot declare ('pipelines', 'orders') twice")


@pytest.mark.parametrize("name", ["Orders", "or-ders", "1orders", "_orders", "ordérs", "a" * 33, "or.ders"])
def test_a_pipeline_has_a_name_that_fits_all_that_is_named_after_it(written, name):
    wrong = OTHER.replace("LINES", "").replace("pipelines.lines", f'pipelines."{name}"')
    assert complaint(written(more=wrong)) == (
        f'pipelines.{name}: found "{name}"; allowed is a name of a lower-case letter, then up to 31 of a-z 0-9 _'
    )


@pytest.mark.parametrize("name", ["Prod", "pre-prod", "a_b", "1st", "s" * 17])
def test_a_stage_has_such_a_name_too(written, name):
    assert complaint(written(more=f'[stages."{name}"]\n')) == (
        f'stages.{name}: found "{name}"; allowed is a name of a lower-case letter, then up to 15 of a-z 0-9'
    )


def test_names_are_within_the_limits_of_their_services_and_differ(written):
    """The longest that may be declared, and those that differ least: a service may take no underscore."""
    longest = ComputedNames("a" * 32, "s" * 16)
    assert len(longest.stack) <= 128  # CloudFormation, CreateStack
    assert len(longest.resource) <= 128  # Athena workgroup; crawler and KMS alias may have 255 and 256
    assert len(longest.database) <= 255  # Glue database
    assert len(longest.parameter) <= 1011  # SSM parameter
    alike = ["a", "a_", "a__", "a_b", "ab", "a__b", "a1"]
    for kind in ("stack", "resource", "database", "parameter"):
        names = {getattr(ComputedNames(pipeline, stage), kind) for pipeline in alike for stage in ("s", "sa")}
        assert len(names) == 2 * len(alike), kind


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('partition_key = { name = "", type = "S" }', 'name: found ""; allowed is text that is not empty'),
        (
            f'partition_key = {{ name = "{"é" * 128}", type = "S" }}',
            f'name: found "{"é" * 76}...; allowed is 1 to 255 bytes of text',
        ),
        ('partition_key = { name = "id", type = "SS" }', 'type: found "SS"; allowed is "S" or "N" or "B"'),
        ('partition_key = { name = "id", type = "s" }', 'type: found "s"; allowed is "S" or "N" or "B"'),
        ('partition_key = { name = "id", type = "NULL" }', 'type: found "NULL"; allowed is "S" or "N" or "B"'),
        ('partition_key = { name = "id", kind = "S" }', 'type: found nothing; allowed is "S" or "N" or "B"'),
    ],
)
def test_a_key_is_one_that_dynamodb_has(written, keys, said):
    wrong = OTHER.replace('partition_key = { name = "id", type = "S" }', keys).replace("LINES", "")
    assert complaint(written(more=wrong)) == f"pipelines.lines.partition_key.{said}"


# --- settings of a stage


def test_a_stage_has_its_own_stream_compression_and_key(written):
    stage = f'stream_mode = "provisioned"\nstream_shards = 4\ncompression = "none"\nencryption_key = "{KEY}"'
    stage += f'\ncatalog_key = "{KEY}"'
    declaration = load_declaration(written(stage=stage))
    prod, local = declaration.stages["prod"], declaration.stages["local"]
    assert (prod.stream_mode, prod.stream_shards, prod.compression, prod.encryption_key) == (
        "provisioned",
        4,
        "none",
        KEY,
    )
    assert (prod.catalog_key, local.catalog_key) == (KEY, None)
    assert (local.stream_mode, local.stream_shards, local.compression, local.encryption_key) == (
        "on_demand",
        None,
        "gzip",
        None,
    )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            'stream_mode = "manual"',
            'stream_mode: found "manual"; allowed is "on_demand" or "provisioned"',
        ),
        (
            'stream_mode = "provisioned"',
            'stream_mode: found "provisioned"; allowed is "on_demand", or "provisioned" together with stream_shards',
        ),
        ("stream_shards = 2", 'stream_shards: found 2; allowed is nothing with stream_mode = "on_demand"'),
        (
            'stream_mode = "provisioned"\nstream_shards = 0',
            "stream_shards: found 0; allowed is a whole number from 1 to 10000",
        ),
        (
            "stream_retention_hours = 23",
            "stream_retention_hours: found 23; allowed is a whole number from 24 to 8760",
        ),
        ('compression = "snappy"', 'compression: found "snappy"; allowed is "gzip" or "none"'),
        (
            'encryption_key = "1234abcd-12ab-34cd-56ef-1234567890ab"',
            f'encryption_key: found "1234abcd-12ab-34cd-56ef-1234567890ab"; allowed is {NO_ALIAS}',
        ),
        ('catalog_key = "alias/aws/glue"', f'catalog_key: found "alias/aws/glue"; allowed is {NO_ALIAS}'),
    ],
)
def test_what_does_not_fit_a_stage_is_refused_with_its_place(written, lines, said):
    assert complaint(written(stage=lines)) == f"stages.prod.{said}"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "keep_data = false",
            (
                'keep_data: found False; allowed is true, or false together with confirm_data_loss = "prod": '
                "destroying the stack then deletes the table that it made, the raw objects and the key"
            ),
        ),
        (
            # as it is copied from another stage
            'keep_data = false\nconfirm_data_loss = "local"',
            'confirm_data_loss: found "local"; allowed is "prod", the name of the stage whose data may be lost',
        ),
        (
            'confirm_data_loss = "prod"',
            'confirm_data_loss: found "prod"; allowed is nothing with keep_data = true: nothing is lost',
        ),
        (
            "keep_data = false\nconfirm_data_loss = true",
            "confirm_data_loss: found True; allowed is text that is not empty",
        ),
    ],
)
def test_losing_data_takes_two_settings_of_which_one_names_the_stage(written, lines, said):
    assert complaint(written(stage=lines)) == f"stages.prod.{said}"


def test_data_is_lost_once_both_are_there(written):
    stage = load_declaration(written(stage='keep_data = false\nconfirm_data_loss = "prod"')).stages["prod"]
    assert not stage.keep_data


# --- a pipeline that is wrong beside others


@pytest.mark.parametrize(
    ("stage", "lines", "place"),
    [
        ("", "typo = 1", "pipelines.lines.typo"),
        ("", 'sort_key = { name = "id", type = "N" }', "pipelines.lines.sort_key.name"),
        ("", 'existing_table = { test = "orders" }', "pipelines.lines.existing_table.test"),
        ("", 'existing_table = { prod = "taken" }', "pipelines.lines.existing_table"),
        ("buffer_mebibytes = 5", 'format = "parquet"', "stages.prod.buffer_mebibytes"),
        ("raw_retention_days = 30\nautomation = 'running'", 'baseline = "none"', "stages.prod.raw_retention_days"),
    ],
)
def test_a_pipeline_that_is_wrong_is_left_out_where_that_is_asked_for(written, stage, lines, place):
    right = 'existing_table = { prod = "taken" }\nbaseline = "snapshot"'
    file = written(pipeline=right, stage=stage, more=OTHER.replace("LINES", lines))

    found = load_declaration(file, leave_out_wrong=True)

    assert list(found.pipelines) == ["orders"]
    assert {name: str(error).partition(": found")[0] for name, error in found.left_out.items()} == {
        "lines": f"{file}: {place}"
    }
    assert complaint(file).startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        ("typo = 1", "stages.prod.typo"),
        ("raw_retention_days = 30\nautomation = 'stopped'", "stages.prod.raw_retention_days"),
    ],
)
def test_a_stage_that_is_wrong_is_refused_in_any_case(written, stage, place):
    with pytest.raises(DeclarationError, match=place):
        load_declaration(written(pipeline='baseline = "snapshot"', stage=stage), leave_out_wrong=True)


def test_a_file_of_which_no_pipeline_is_right_is_refused_in_any_case(written):
    with pytest.raises(DeclarationError, match=r"(?s)pipelines\.orders\.typo.*\n.*pipelines\.lines\.typo"):
        load_declaration(written(pipeline="typo = 1", more=OTHER.replace("LINES", "typo = 2")), leave_out_wrong=True)
