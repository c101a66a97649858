"""Every function, operator, conversion and form on the list gives Athena's result, or fails by name."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import duckdb
import pytest

from ddb_pipeline.local_aws.athena import functions, results
from ddb_pipeline.local_aws.athena.dialect import parse_statement
from ddb_pipeline.local_aws.athena.engine import connect, translate
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.lambdas import LAMBDA_FUNCTIONS
from ddb_pipeline.local_aws.athena.query import QueryCompiler
from ddb_pipeline.local_aws.athena.special_forms import FORMS
from ddb_pipeline_tests.unit.athena_examples import read_examples

EXAMPLES = read_examples()
STARTED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


def _no_tables(database, name):
    return None


def answer(engine, expression):
    """Type and text of an expression."""
    sql = f"SELECT {expression} AS x"
    compiler = QueryCompiler(sql, None, STARTED, _no_tables)
    relation = compiler.compile(parse_statement(sql))
    try:
        ((value,),) = engine.execute(relation.sql).fetchall()
    except duckdb.Error as error:
        raise translate(error) from None
    return str(relation.fields[0].type), results.cell(value, relation.fields[0].type)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.expression)
def test_an_expression_gives_athenas_result(engine, example):
    if example.error is not None:
        with pytest.raises(QueryFailedError) as caught:
            answer(engine, example.expression)
        assert caught.value.name == example.error
    else:
        assert answer(engine, example.expression) == (example.type, example.text)


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.error is None], ids=lambda one: one.expression)
def test_compiling_changes_nothing_of_what_was_parsed(example):
    # the queries of a view share what was parsed of it
    sql = f"SELECT {example.expression} AS x"
    parsed = parse_statement(sql)
    before = repr(parsed)
    compiled = [QueryCompiler(sql, None, STARTED, _no_tables).compile(parsed).sql for _ in range(2)]
    assert repr(parsed) == before
    assert compiled[0] == compiled[1]


def test_every_function_on_the_list_has_an_example():
    written = " ".join(example.expression.lower() for example in EXAMPLES)
    used = set(re.findall(r"([a-z_0-9]+)\(", written))
    listed = functions.known(functions.SCALARS) | functions.known(functions.AGGREGATES)
    listed |= functions.known(functions.WINDOWS) | FORMS.keys() | LAMBDA_FUNCTIONS.keys()
    assert listed - used == set()


def test_the_list_is_long_enough_to_be_of_use_and_says_where_it_is_from():
    assert len(EXAMPLES) > 400
    assert len({example.expression for example in EXAMPLES}) == len(EXAMPLES)
    assert all(
        example.source.startswith(("https://trino.io/docs/", "https://docs.aws.amazon.com/", "trinodb/trino"))
        for example in EXAMPLES
    )
