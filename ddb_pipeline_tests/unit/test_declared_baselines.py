"""What pipeline.toml says of baselines, and when raw objects may be deleted."""

import pytest

from ddb_pipeline.declaration import DeclarationError, load_declaration

BASELINES = """
baseline = "snapshot"
baseline_schedule = "0 3 * * *"
"""
RIGHT = f"""
[pipelines.persons]
partition_key = {{ name = "pk", type = "S" }}
start_date = 2026-01-01
{BASELINES}
[stages.prod]
automation = "running"
raw_retention_days = 3
"""
PLACE = "stages.prod.raw_retention_days: "


@pytest.fixture
def load(tmp_path):
    def load(text):
        file = tmp_path / "pipeline.toml"
        file.write_text(text, encoding="utf-8")
        return load_declaration(file)

    return load


def test_no_baseline_is_made_and_nothing_deleted_unless_asked_for(load):
    text = RIGHT.replace(BASELINES, "").replace("raw_retention_days = 3", "")
    declaration = load(text)
    assert declaration.pipelines["persons"].baseline == "none"
    assert declaration.stages["prod"].raw_retention_days is None
    assert declaration.stages["prod"].baseline_margin_seconds == 3600


def test_raw_objects_expire_where_two_baselines_and_the_margin_fit(load):
    assert load(RIGHT).stages["prod"].raw_retention_days == 3


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "raw_retention_days = 3",
            "raw_retention_days = 2",
            PLACE + 'found 2; allowed is 3 or more with pipelines.persons.baseline_schedule = "0 3 * * *": two '
            "baselines and the margin must fit, so that one may fail",
        ),
        (
            '"0 3 * * *"',
            '"0 3 29 2 *"',
            PLACE + 'found 3; allowed is no number with pipelines.persons.baseline_schedule = "0 3 29 2 *": two '
            "baselines and the margin must fit, so that one may fail",
        ),
        (
            BASELINES,
            "",
            PLACE + 'found 3; allowed is none with pipelines.persons.baseline = "none": raw objects are the only copy',
        ),
        (
            '"running"',
            '"stopped"',
            PLACE + 'found 3; allowed is none with automation = "stopped": no schedule would make baselines',
        ),
        (
            'baseline = "snapshot"',
            'baseline = "daily"',
            'pipelines.persons.baseline: found "daily"; allowed is "none" or "snapshot" or "export"',
        ),
        (
            'baseline = "snapshot"\n',
            "",
            (
                'pipelines.persons.baseline_schedule: found "0 3 * * *"; allowed is nothing with baseline = "none", '
                "the default: no baseline is made"
            ),
        ),
        (
            BASELINES,
            "baselines_kept = 5\n",
            (
                'pipelines.persons.baselines_kept: found 5; allowed is nothing with baseline = "none", the default: no '
                "baseline is made"
            ),
        ),
        (
            "raw_retention_days = 3",
            "buffer_seconds = 900\nbaseline_margin_seconds = 1799",
            (
                "stages.prod.baseline_margin_seconds: found 1799; allowed is twice buffer_seconds at least, here 1800: "
                "a change is under way for that long"
            ),
        ),
        (
            'baseline = "snapshot"',
            'baseline = "snapshot"\nbaselines_kept = 1',
            "pipelines.persons.baselines_kept: found 1; allowed is a whole number from 2 to 100",
        ),
    ],
)
def test_what_would_lose_data_is_refused_with_its_place(load, right, wrong, said):
    with pytest.raises(DeclarationError) as caught:
        load(RIGHT.replace(right, wrong))
    assert str(caught.value).endswith(f"pipeline.toml: {said}")
