"""From what was met in the hours to columns: nothing is lost, types only widen, names stay."""

from dataclasses import replace
from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.declared_columns import DeclaredColumn
from ddb_pipeline.item_columns.expressions import ItemColumn, decimal_scale
from ddb_pipeline.item_columns.learning import MOST_PATH_BYTES, item_columns, learn, needs_everything
from ddb_pipeline.item_columns.memory import EMPTY
from ddb_pipeline.item_columns.names import plain_name
from ddb_pipeline.item_columns.types import NOTHING_SEEN, Observation, Seen, column_type
from ddb_pipeline_tests.declared import pipeline

PIPELINE = pipeline()
TAKEN = ("pk", "item", "image")
TYPES = ["S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"]

names = st.sampled_from(["a", "A", "b", "item", "order", "a.b", "a_b", "", "🔑", "pk"]) | st.text(max_size=5)
digits = st.integers(0, 40)
observations = st.builds(
    Observation,
    st.lists(names, min_size=1, max_size=3).map(tuple),
    st.sampled_from(TYPES),
    st.integers(1, 9),
    digits,
    digits,
)
batches = st.lists(st.lists(observations, max_size=12), max_size=5)


def met(path: str, dynamodb_type: str, count: int = 1, whole: int = 0, fraction: int = 0) -> Observation:
    return Observation(tuple(path.split("/")), dynamodb_type, count, whole, fraction)


def columns_of(*batches: list[Observation], pipeline: Pipeline = PIPELINE) -> tuple[ItemColumn, ...]:
    memory = EMPTY
    for batch in batches:
        memory = learn(memory, batch, pipeline, TAKEN, "now").memory
    return item_columns(memory, pipeline)


def shapes(*batches: list[Observation], pipeline: Pipeline = PIPELINE) -> dict[str, str]:
    return {column.name: column.type for column in columns_of(*batches, pipeline=pipeline)}


@pytest.mark.parametrize(
    ("seen", "column"),
    [
        ([met("a", "S")], "varchar"),
        ([met("a", "BOOL")], "boolean"),
        ([met("a", "B")], "varbinary"),
        ([met("a", "SS")], "array(varchar)"),
        ([met("a", "NS")], "array(varchar)"),
        ([met("a", "BS")], "varchar"),
        ([met("a", "L")], "varchar"),
        ([met("a", "N", whole=0)], "bigint"),
        ([met("a", "N", whole=18)], "bigint"),
        ([met("a", "N", whole=19)], "decimal(38,0)"),
        ([met("a", "N", whole=38)], "decimal(38,0)"),
        ([met("a", "N", whole=39)], "varchar"),
        ([met("a", "N", whole=3, fraction=2)], "decimal(38,2)"),
        ([met("a", "N", whole=0, fraction=38)], "decimal(38,38)"),
        ([met("a", "N", whole=1, fraction=38)], "varchar"),
        ([met("a", "N", whole=30), met("a", "N", fraction=8)], "decimal(38,8)"),
        ([met("a", "N", whole=30), met("a", "N", fraction=9)], "varchar"),
        ([met("a", "N"), met("a", "S")], "varchar"),
        ([met("a", "SS"), met("a", "NS")], "varchar"),
        ([met("a", "N"), met("a", "NULL")], "bigint"),
    ],
)
def test_the_type_is_the_narrowest_that_shows_all_values(seen, column):
    assert shapes(seen) == {"a": column}


def test_an_attribute_that_was_only_ever_null_has_no_type_yet():
    assert shapes([met("a", "NULL")]) == {}
    assert shapes([met("a", "NULL")], [met("a", "BOOL")]) == {"a": "boolean"}


def test_maps_are_opened_down_to_the_depth_and_are_json_text_below():
    seen = [met("a", "M"), met("a/b", "S"), met("a/c", "M"), met("a/c/d", "N")]
    assert shapes(seen) == {"a_b": "varchar", "a_c": "varchar"}
    assert shapes(seen, pipeline=replace(PIPELINE, item_column_depth=1)) == {"a": "varchar"}
    assert shapes(seen, pipeline=replace(PIPELINE, item_column_depth=3)) == {"a_b": "varchar", "a_c_d": "bigint"}


def test_a_name_that_is_a_map_here_and_text_there_shows_both():
    together = columns_of([met("a", "S"), met("a/b", "S")])
    later = columns_of([met("a/b", "S")], [met("a", "S")])
    for columns in (together, later):
        (column,) = [column for column in columns if column.path == ("a",)]
        assert column.dynamodb_types == ("M", "S")
        assert column.type == "varchar"


def test_key_attributes_have_columns_as_it_is():
    assert shapes([met("pk", "S"), met("a/pk", "S")]) == {"a_pk": "varchar"}


def test_at_first_the_most_frequent_come_first_later_ones_are_appended():
    first = [met("rare", "S", 1), met("often", "S", 9), met("also", "S", 9)]
    assert list(shapes(first, [met("new", "S", 99)])) == ["also", "often", "rare", "new"]


def test_beyond_the_limit_attributes_stay_in_the_item():
    pipeline = replace(PIPELINE, max_item_columns=2)
    seen = [met("a", "S", 1), met("b", "S", 9), met("c", "S", 5)]
    learned = learn(EMPTY, seen, pipeline, TAKEN, "now")
    assert learned.left_out == (("a",),)
    assert [column.name for column in item_columns(learned.memory, pipeline)] == ["b", "c"]
    assert learn(learned.memory, [met("a", "S")], pipeline, TAKEN, "now").left_out == (("a",),)


def test_three_hundred_attributes_of_one_table_give_two_hundred_columns():
    seen = [met(f"attribute {number}", "S", number) for number in range(1, 301)]
    learned = learn(EMPTY, seen, PIPELINE, TAKEN, "now")
    assert len(item_columns(learned.memory, PIPELINE)) == 200
    assert len(learned.left_out) == 100
    assert ("attribute 300",) not in learned.left_out


def test_more_depth_or_more_room_wants_a_look_at_everything():
    memory = learn(EMPTY, [met("a", "S")], replace(PIPELINE, max_item_columns=1), TAKEN, "now").memory
    assert not needs_everything(memory, replace(PIPELINE, max_item_columns=1))
    assert needs_everything(memory, PIPELINE)
    roomy = learn(EMPTY, [met("a", "S")], PIPELINE, TAKEN, "now").memory
    assert not needs_everything(roomy, replace(PIPELINE, max_item_columns=300)), "nothing was left out"
    assert needs_everything(roomy, replace(PIPELINE, item_column_depth=3))


@pytest.mark.parametrize("meanwhile", [{}, {"item_column_depth": 3, "max_item_columns": 1}, {"max_item_columns": 500}])
def test_discovery_that_was_off_for_a_while_has_forgotten_nothing(meanwhile):
    """Whether the lines of depth and number stayed in the file or not: while it is off, nobody looks."""
    on = replace(PIPELINE, item_column_depth=3, max_item_columns=1)
    memory = learn(EMPTY, [met("a", "S"), met("b", "S")], on, TAKEN, "now").memory
    off = replace(PIPELINE, discover_columns=False, **meanwhile)
    assert not needs_everything(memory, off)

    after = learn(memory, [], off, TAKEN, "later").memory

    assert after == memory
    assert not needs_everything(after, on)
    assert needs_everything(after, replace(on, item_column_depth=4)), "nobody has looked that deep"
    assert needs_everything(after, replace(on, max_item_columns=2)), "one was left out"


def test_declared_columns_come_first_with_their_type_whatever_is_met():
    declared = (DeclaredColumn(("late",), "decimal(38,2)"), DeclaredColumn(("x", "y", "z"), "boolean"))
    pipeline = replace(PIPELINE, columns=declared)
    assert shapes([met("a", "S"), met("late", "S")], pipeline=pipeline) == {
        "late": "decimal(38,2)",
        "x_y_z": "boolean",
        "a": "varchar",
    }
    assert columns_of(pipeline=replace(pipeline, max_item_columns=2)) == ()
    memory = learn(EMPTY, [met("a", "S")], pipeline, TAKEN, "now").memory
    assert [column.name for column in item_columns(memory, replace(pipeline, discover_columns=False))] == [
        "late",
        "x_y_z",
    ]
    assert [column.name for column in item_columns(memory, PIPELINE)] == ["a"], "no longer declared, never met"


def test_a_column_that_the_views_have_by_now_makes_the_attribute_go():
    memory = learn(EMPTY, [met("state", "S"), met("other", "S")], PIPELINE, TAKEN, "now").memory
    again = learn(memory, [], PIPELINE, (*TAKEN, "state"), "now").memory
    (state,) = [attribute.column for attribute in again.attributes if attribute.path == ("state",)]
    assert state.startswith("state_")
    assert again == learn(again, [], PIPELINE, (*TAKEN, "state"), "later").memory


def test_a_path_as_long_as_a_novel_has_no_column():
    assert shapes([met("a" * (MOST_PATH_BYTES + 1), "S"), met("b", "S")]) == {"b": "varchar"}


def test_a_name_that_sql_cannot_hold_has_no_column():
    assert shapes([met("a\0", "S"), met("b", "S")]) == {"b": "varchar"}


def test_the_columns_stay_within_what_a_views_sql_may_be():
    pipeline = replace(PIPELINE, max_item_columns=500)
    seen = [met(f"{'x' * 900}{number}", "L") for number in range(500)]
    columns = columns_of(seen, pipeline=pipeline)
    assert 100 < len(columns) < 200


@given(batches)
def test_nothing_that_has_a_column_loses_it_and_its_name_stays(found):
    memory = EMPTY
    for batch in found:
        before = item_columns(memory, PIPELINE)
        memory = learn(memory, batch, PIPELINE, TAKEN, "now").memory
        after = item_columns(memory, PIPELINE)
        assert [(column.name, column.path) for column in after[: len(before)]] == [
            (column.name, column.path) for column in before
        ]
        for old, new in zip(before, after, strict=False):
            assert is_as_wide(new.type, old.type), (old, new)
            assert set(old.dynamodb_types) <= set(new.dynamodb_types)
        assert len({column.name for column in after} | set(TAKEN)) == len(after) + len(TAKEN)


def is_as_wide(new: str, old: str) -> bool:
    if new in (old, "varchar"):
        return True
    scale, old_scale = decimal_scale(new), decimal_scale(old)
    return scale is not None and (old == "bigint" or (old_scale is not None and old_scale <= scale))


@given(batches)
def test_what_is_known_does_not_depend_on_the_order_of_the_hours(found):
    flat = [one for batch in found for one in batch]
    seen, backwards = NOTHING_SEEN, NOTHING_SEEN
    for one in flat:
        seen = seen.and_also(one)
    for one in reversed(flat):
        backwards = backwards.and_also(one)
    assert seen == backwards


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=6), min_size=1))
def test_a_number_column_has_room_for_every_number_that_was_met(numbers):
    seen = NOTHING_SEEN
    for number in numbers:
        whole, _, fraction = f"{number:f}".lstrip("-").partition(".")
        seen = seen.and_also(Observation(("a",), "N", 1, len(whole.lstrip("0")), len(fraction.rstrip("0"))))
    scale = decimal_scale(column_type(seen))
    if scale is not None:
        for number in numbers:
            assert -int(number.normalize(Context(prec=100)).as_tuple().exponent) <= scale
            assert abs(number) < Decimal(10) ** (38 - scale)
    elif column_type(seen) == "bigint":
        assert all(number == int(number) and -(2**63) <= number < 2**63 for number in numbers)


@given(st.lists(observations, max_size=20))
def test_lost_memory_comes_back_with_the_same_names(found):
    memory = learn(EMPTY, found, PIPELINE, TAKEN, "now").memory
    assert learn(EMPTY, list(reversed(found)), PIPELINE, TAKEN, "now").memory == memory


@given(st.lists(observations, max_size=10), st.lists(observations, max_size=10))
def test_found_in_one_look_or_in_two_a_name_without_rival_is_the_same(one, other):
    in_two = learn(learn(EMPTY, one, PIPELINE, TAKEN, "now").memory, other, PIPELINE, TAKEN, "now").memory
    at_once = learn(EMPTY, [*one, *other], PIPELINE, TAKEN, "now").memory
    names = {attribute.path: attribute.column for attribute in in_two.attributes}
    wanted = [plain_name(attribute.path) for attribute in at_once.attributes]
    for attribute in at_once.attributes:
        if wanted.count(plain_name(attribute.path)) == 1:
            assert names[attribute.path] == attribute.column


def test_counts_add_up():
    assert Seen({"S": 2}).and_also(met("a", "S", 3)).and_also(met("a", "N", 1)).total == 6
