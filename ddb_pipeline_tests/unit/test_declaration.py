"""pipeline.toml: what it may say, and what a person reads when it says something else."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ddb_pipeline.declaration import (
    DeclarationError,
    KeyAttribute,
    find_declaration_file,
    load_declaration,
)
from ddb_pipeline.declared_columns import DeclaredColumn

RIGHT = """
[pipelines.persons]
partition_key = { name = "pk", type = "S" }
start_date = 2026-01-01

[stages.local]
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        file = tmp_path / "pipeline.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def complaint(file: Path) -> str:
    with pytest.raises(DeclarationError) as caught:
        load_declaration(file)
    assert str(file) in str(caught.value)
    return str(caught.value).removeprefix(f"{file}: ")


def test_the_projects_own_file_is_right():
    declaration = load_declaration(Path(__file__).parents[2] / "pipeline.toml")
    assert declaration.pipelines["persons"].key_attributes == (KeyAttribute("pk", "S"),)
    assert set(declaration.stages) == {"local", "dev", "prod"}
    assert declaration.stages["prod"].keep_data
    assert not declaration.stages["dev"].keep_data


def test_what_is_left_out_gets_a_default_that_loses_no_data(written):
    declaration = load_declaration(written(RIGHT))
    stage = declaration.stages["local"]
    assert stage.keep_data
    assert stage.automation == "stopped"
    assert stage.buffer_seconds == 60
    assert stage.stream_retention_hours == 7 * 24
    assert declaration.pipelines["persons"].sort_key is None
    assert declaration.pipelines["persons"].format == "json"
    assert [stage.buffer_mebibytes_for(name) for name in ("json", "parquet")] == [5, 128]


def test_a_pipeline_starts_in_the_time_of_dynamodb_and_no_later_than_tomorrow(written):
    today = datetime.now(UTC).date()

    def started(day: date) -> Path:
        return written(RIGHT.replace("2026-01-01", day.isoformat()))

    for day in (date(2012, 1, 1), today + timedelta(days=1)):
        assert load_declaration(started(day)).pipelines["persons"].start_date == day
    for day in (date(1, 1, 1), date(2011, 12, 31), today + timedelta(days=3)):
        assert complaint(started(day)).startswith(
            f"pipelines.persons.start_date: found {day}; allowed is a date from 2012-01-01 to 20"
        )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            RIGHT.replace("start_date = 2026-01-01", 'start_date = "2026-01-01"'),
            'pipelines.persons.start_date: found "2026-01-01"; allowed is a date such as 2026-01-31, without quotes',
        ),
        (
            RIGHT.replace("start_date = 2026-01-01", "start_date = 2026-01-01T00:00:00Z"),
            (
                "pipelines.persons.start_date: found 2026-01-01 00:00:00+00:00; "
                "allowed is a date such as 2026-01-31, without quotes"
            ),
        ),
        (
            RIGHT.replace("start_date = 2026-01-01", ""),
            "pipelines.persons.start_date: found nothing; allowed is a date such as 2026-01-31, without quotes",
        ),
        (
            RIGHT.replace('type = "S"', 'type = "BOOL"'),
            'pipelines.persons.partition_key.type: found "BOOL"; allowed is "S" or "N" or "B"',
        ),
        (
            RIGHT.replace('name = "pk", ', ""),
            "pipelines.persons.partition_key.name: found nothing; allowed is text that is not empty",
        ),
        (
            RIGHT.replace('{ name = "pk", type = "S" }', '"pk"'),
            (
                'pipelines.persons.partition_key: found "pk"; allowed is name and type of the attribute, such as '
                '{ name = "pk", type = "S" }'
            ),
        ),
        (
            RIGHT + "bufer_seconds = 3",
            (
                "stages.local.bufer_seconds: found 3; allowed is no such key; "
                "the keys here are alarm_mail, alarms, arrivals_interval_seconds, "
                "automation, baseline_margin_seconds, budget_usd, buffer_mebibytes, buffer_seconds, catalog_key, "
                "compression, confirm_data_loss, encryption_key, keep_data, "
                "lake_formation_operators, lake_formation_readers, measure, raw_retention_days, results_expire_days, "
                "scan_cutoff_mebibytes, stream_mode, stream_retention_hours, stream_shards"
            ),
        ),
        (
            RIGHT.replace("[stages", 'format = "orc"\n[stages'),
            'pipelines.persons.format: found "orc"; allowed is "json" or "parquet"',
        ),
        (
            RIGHT.replace("[stages", 'format = "parquet"\n[stages') + "buffer_mebibytes = 63",
            (
                "stages.local.buffer_mebibytes: found 63; allowed is 64 to 128 with pipelines.persons.format = "
                '"parquet" (Firehose demands it), or no such key: then every format has its default'
            ),
        ),
        (
            RIGHT.replace("[stages", 'catalog = "none"\n[stages'),
            'pipelines.persons.catalog: found "none"; allowed is "crawler" or "projection"',
        ),
        (
            RIGHT.replace("[stages", 'catalog = "projection"\nbaseline = "export"\n[stages')
            + 'automation = "running"\nraw_retention_days = 90',
            (
                "stages.local.raw_retention_days: found 90; allowed is none with pipelines.persons.catalog = "
                '"projection": only registered hours show that one expired too early'
            ),
        ),
        (
            RIGHT + "buffer_seconds = 901",
            "stages.local.buffer_seconds: found 901; allowed is a whole number from 0 to 900",
        ),
        (
            RIGHT + "buffer_seconds = true",
            "stages.local.buffer_seconds: found True; allowed is a whole number from 0 to 900",
        ),
        (
            RIGHT + 'measure = "hourly"',
            'stages.local.measure: found "hourly"; allowed is "each" or "daily" or "never"',
        ),
        (
            RIGHT + 'lake_formation_readers = ["dagster"]',
            (
                "stages.local.lake_formation_readers: found ['dagster']; allowed is a list of different texts, each "
                'the ARN of a role or user, such as "arn:aws:iam::111122223333:role/dagster"'
            ),
        ),
        (
            RIGHT
            + 'lake_formation_operators = ["arn:aws:iam::111122223333:role/a"]\n'
            + 'lake_formation_readers = ["arn:aws:iam::111122223333:role/b", "arn:aws:iam::111122223333:role/a"]',
            (
                "stages.local.lake_formation_readers: found ['arn:aws:iam::111122223333:role/a']; allowed is nobody "
                "who is in lake_formation_operators: operators read, too"
            ),
        ),
        (RIGHT + 'alarm_mail = "team"', 'stages.local.alarm_mail: found "team"; allowed is a mail address'),
        (
            RIGHT + "budget_usd = 50",
            "stages.local.budget_usd: found 50; allowed is none without alarm_mail, which says who is warned",
        ),
        (
            RIGHT + 'alarms = false\nalarm_mail = "team@example.org"',
            (
                'stages.local.alarm_mail: found "team@example.org"; '
                "allowed is none with alarms = false and no budget_usd: nothing would be sent"
            ),
        ),
        (
            "schedule = 1\n" + RIGHT,
            "schedule: found 1; allowed is no such key; the keys here are pipelines, stages",
        ),
        ("", "pipelines: found nothing; allowed is one table [pipelines.<name>] at least"),
        (
            RIGHT.split("[stages", maxsplit=1)[0] + "[stages]",
            "stages: found {}; allowed is one table [stages.<name>] at least",
        ),
        (
            RIGHT.replace("pipelines.persons", 'pipelines."Per sons"'),
            (
                'pipelines.Per sons: found "Per sons"; '
                "allowed is a name of a lower-case letter, then up to 31 of a-z 0-9 _"
            ),
        ),
        (
            RIGHT.replace("stages.local", "stages.pre-prod"),
            'stages.pre-prod: found "pre-prod"; allowed is a name of a lower-case letter, then up to 15 of a-z 0-9',
        ),
        (
            RIGHT.replace("start_date", 'sort_key = { name = "pk", type = "N" }\nstart_date'),
            'pipelines.persons.sort_key.name: found "pk"; allowed is a name other than the partition key\'s',
        ),
    ],
)
def test_a_wrong_file_gets_one_sentence_with_key_finding_and_rule(written, wrong, said):
    assert complaint(written(wrong)) == said


@pytest.mark.parametrize(
    "cron", ["* * * *", "60 * * * *", "5 24 * * *", "5 * 0 * *", "@daily", "5-3 * * * *", "a * * * *"]
)
def test_a_schedule_is_five_cron_fields(written, cron):
    wrong = RIGHT.replace("start_date", f'crawl_schedule = "{cron}"\nstart_date')
    assert complaint(written(wrong)).startswith(f'pipelines.persons.crawl_schedule: found "{cron}"; allowed is a cron')


@pytest.mark.parametrize("cron", ["*/15 * * * *", "0 6,18 * * 1-5", "30 6 1-7/2 1,12 0"])
def test_lists_ranges_and_steps_are_schedules(written, cron):
    file = written(RIGHT.replace("start_date", f'views_schedule = "{cron}"\nstart_date'))
    assert load_declaration(file).pipelines["persons"].views_schedule == cron


def test_a_file_that_is_not_toml_says_where(written):
    assert complaint(written("pipelines = [")).startswith("is not valid TOML: ")


def test_a_file_that_is_not_text_says_so(tmp_path):
    file = tmp_path / "pipeline.toml"
    file.write_bytes(b"\xff\xfe")
    assert complaint(file) == "is not UTF-8 text (byte 0)"


def test_an_unknown_stage_names_the_known_ones(written):
    declaration = load_declaration(written(RIGHT))
    with pytest.raises(DeclarationError, match="no stage is named 'prod'; declared are local"):
        declaration.stage("prod")


def test_the_file_is_found_above_the_working_directory(written, tmp_path):
    file = written(RIGHT)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_declaration_file(below) == file


def test_no_file_at_all_says_how_to_name_one(tmp_path):
    with pytest.raises(DeclarationError, match=r"no pipeline\.toml in .* set DDB_PIPELINE_FILE"):
        find_declaration_file(tmp_path)


def test_a_named_file_that_is_missing_is_not_replaced_by_another(written, tmp_path, monkeypatch):
    written(RIGHT)
    monkeypatch.setenv("DDB_PIPELINE_FILE", str(tmp_path / "other.toml"))
    with pytest.raises(DeclarationError, match=r"other\.toml: no such file \(named by"):
        find_declaration_file(tmp_path)


def test_a_folder_in_the_place_of_the_file_is_named_as_one(tmp_path, monkeypatch):
    monkeypatch.setenv("DDB_PIPELINE_FILE", str(tmp_path))
    with pytest.raises(DeclarationError, match="is a folder: name the file in it"):
        find_declaration_file()


COLUMNS = """
[pipelines.persons.columns]
age = "bigint"
price = "decimal(38, 2)"
"address.city" = "varchar"
'["a.b", "", "c"]' = "array(varchar)"
flags.active = "boolean"

[pipelines.persons.columns.photo]
data = "varbinary"

[stages"""


def test_columns_are_named_by_path_in_every_way_that_toml_has(written):
    declared = load_declaration(written(RIGHT.replace("[stages", COLUMNS))).pipelines["persons"]
    assert declared.columns == (
        DeclaredColumn(("age",), "bigint"),
        DeclaredColumn(("price",), "decimal(38,2)"),
        DeclaredColumn(("address", "city"), "varchar"),
        DeclaredColumn(("a.b", "", "c"), "array(varchar)"),
        DeclaredColumn(("flags", "active"), "boolean"),
        DeclaredColumn(("photo", "data"), "varbinary"),
    )


def test_attributes_become_columns_unless_the_file_says_otherwise(written):
    left_out = load_declaration(written(RIGHT)).pipelines["persons"]
    assert (left_out.columns, left_out.discover_columns) == ((), True)
    assert (left_out.item_column_depth, left_out.max_item_columns) == (2, 200)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'age = "int"',
            (
                'columns.age: found "int"; allowed is "varchar" or "bigint" or "boolean" or "decimal(38,0)" or '
                '"varbinary" or "array(varchar)", decimals with 0 to 38 digits after the point'
            ),
        ),
        ('age = "decimal(10,2)"', 'columns.age: found "decimal(10,2)"; allowed is "varchar" or'),
        ('age = "decimal(38,39)"', 'columns.age: found "decimal(38,39)"; allowed is "varchar" or'),
        ("flags.active = true", 'columns.flags.active: found True; allowed is "varchar" or'),
        ('"a..b" = "varchar"', 'columns.a..b: found "a..b"; allowed is names with dots between them, or a JSON array'),
        ("'[1]' = \"varchar\"", 'columns.[1]: found "[1]"; allowed is names with dots between them, or a JSON array'),
        ('"a.b" = "varchar"\na.b = "bigint"', 'columns: found "["a", "b"]"; allowed is each attribute once'),
        ('pk = "varchar"', 'columns: found "pk"; allowed is an attribute that is no key: key attributes have columns'),
    ],
)
def test_a_wrong_column_is_named(written, line, said):
    wrong = RIGHT.replace("[stages", f"[pipelines.persons.columns]\n{line}\n\n[stages")
    assert complaint(written(wrong)).startswith(f"pipelines.persons.{said}")


def test_declared_columns_alone_may_be_more_than_the_default(written):
    lines = "".join(f'a{number} = "bigint"\n' for number in range(201))
    text = RIGHT.replace("start_date", "discover_columns = false\nmax_item_columns = 201\nstart_date")
    file = written(text.replace("[stages", f"[pipelines.persons.columns]\n{lines}\n[stages"))
    assert len(load_declaration(file).pipelines["persons"].columns) == 201


def test_depth_and_number_of_columns_may_stay_while_discovery_is_off(written):
    lines = "discover_columns = false\nitem_column_depth = 3\nmax_item_columns = 300\n"
    found = load_declaration(written(RIGHT.replace("[stages", f"{lines}[stages"))).pipelines["persons"]
    assert (found.discover_columns, found.item_column_depth, found.max_item_columns) == (False, 3, 300)


def test_more_columns_than_allowed_are_refused(written):
    wrong = RIGHT.replace("start_date", "max_item_columns = 1\nstart_date")
    wrong = wrong.replace("[stages", '[pipelines.persons.columns]\na = "bigint"\nb = "bigint"\n\n[stages')
    assert complaint(written(wrong)) == (
        "pipelines.persons.columns: found 2; allowed is max_item_columns = 1 columns at most"
    )
