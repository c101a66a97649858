"""Column names of attributes: whatever the attribute is called, SQL takes the name, and it stays the same."""

import re

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.item_columns.names import MOST_CHARACTERS, RESERVED, column_name, is_exact, plain_name

names = st.text(max_size=30) | st.sampled_from(["id", "ID", "Id", "order", "", "$", "a.b", "a_b", "a-b", "1st", "\0"])
paths = st.lists(names, min_size=1, max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("name",), "name"),
        (("firstName",), "firstname"),
        (("first-name",), "first_name"),
        (("a.b",), "a_b"),
        (("a b",), "a_b"),
        (("$ref",), "_ref"),
        (("_id",), "_id"),
        (("tags[0]",), "tags_0_"),
        (('say "hi"',), "say_hi_"),
        (("back\\slash",), "back_slash"),
        (("line\nfeed\0",), "line_feed_"),
        (("2fa",), "_2fa"),
        (("order",), "order_"),
        (("SELECT",), "select_"),
        (("Größe",), "grosse"),
        (("ﬁancée",), "fiancee"),
        (("🔑",), "attribute"),
        (("ключ",), "attribute"),
        (("address", "city"), "address_city"),
        (("address", ""), "address"),
        (("", ""), "attribute"),
        (("--",), "attribute"),
        (("'; DROP TABLE x; --",), "_drop_table_x_"),
    ],
)
def test_a_name_is_cleaned(path, name):
    assert column_name(path, ()) == name


@given(paths, st.sets(names.map(lambda name: plain_name((name,)))))
def test_sql_takes_every_name_without_quotes(path, taken):
    name = column_name(path, taken)
    assert re.fullmatch(r"[a-z_][a-z0-9_]*", name)
    assert name not in RESERVED
    assert len(name) <= MOST_CHARACTERS
    assert name not in taken
    selected = sqlglot.parse_one(f"SELECT {name} FROM t", dialect="athena").selects[0]
    assert selected.sql("athena") == name


@given(st.lists(paths, unique=True, max_size=20))
def test_all_columns_of_a_table_have_names_of_their_own(all_paths):
    taken: list[str] = []
    for path in all_paths:
        taken.append(column_name(path, taken))
    assert len(set(taken)) == len(taken)


@given(paths, paths)
def test_a_name_that_is_taken_gets_a_digest_of_the_path_whoever_has_it(path, other):
    name = plain_name(path)
    once, again = column_name(path, [name]), column_name(path, [name, *plain_name(other)])
    assert once == again
    assert re.fullmatch(re.escape(name) + "_[0-9a-f]{6}", once)


def test_names_that_differ_by_case_alone_differ_as_columns():
    assert column_name(("ID",), ["id"]) != column_name(("Id",), ["id"])
    assert is_exact(("id",))
    assert not is_exact(("ID",))
    assert not is_exact(("order",))


def test_a_name_that_is_too_long_is_cut_and_stays_its_own():
    one, other = (column_name(("x" * 70_000 + end,), ()) for end in "ab")
    assert len(one) == len(other) == MOST_CHARACTERS
    assert one != other
    assert column_name(("y" * MOST_CHARACTERS,), ()) == "y" * MOST_CHARACTERS
    assert len(column_name(("y" * MOST_CHARACTERS,), ["y" * MOST_CHARACTERS])) == MOST_CHARACTERS
