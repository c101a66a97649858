"""PartiQL: writes change and stream what the requests do that they stand for; what is not done is refused by name."""

from __future__ import annotations

import pytest

from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.streamed_table import SORTED, Table, images, make_table, refused


@pytest.fixture
def table(deployed: Deployed) -> Table:
    return make_table(deployed)


def run(table: Table, statement: str, *parameters, **more) -> list[dict]:
    """`{table}` in the statement is the table's name."""
    if parameters:
        more["Parameters"] = list(parameters)
    return table.dynamodb.execute_statement(Statement=statement.replace("{table}", table.name), **more)["Items"]


def test_writes_send_their_changes(table):
    run(
        table,
        "INSERT INTO \"{table}\" VALUE {'pk': 'it''s', 'n': 1.0, 's': <<'b', 'a'>>, 'l': [true, null, {'x': -2e1}]}",
    )
    one = {
        "pk": {"S": "it's"},
        "n": {"N": "1"},
        "s": {"SS": ["b", "a"]},
        "l": {"L": [{"BOOL": True}, {"NULL": True}, {"M": {"x": {"N": "-20"}}}]},
    }
    run(table, "UPDATE \"{table}\" SET n = n + 2 SET l[2].x = ? REMOVE s WHERE pk = 'it''s' AND n < 5", {"B": b"\x00"})
    two = {
        "pk": {"S": "it's"},
        "n": {"N": "3"},
        "l": {"L": [{"BOOL": True}, {"NULL": True}, {"M": {"x": {"B": "AA=="}}}]},
    }
    run(table, 'DELETE FROM "{table}" WHERE pk = ?', {"S": "it's"})

    assert [images(change) for change in table.new_changes()] == [
        ("INSERT", None, one),
        ("MODIFY", one, two),
        ("REMOVE", two, None),
    ]


def test_a_statement_without_effect_sends_nothing(table):
    table.put(pk={"S": "a"}, n={"N": "1"})
    table.new_changes()
    run(table, "UPDATE \"{table}\" SET n = 1.0 WHERE pk = 'a'")
    run(table, "DELETE FROM \"{table}\" WHERE pk = 'nobody'")
    duplicate = "INSERT INTO \"{table}\" VALUE {'pk': 'a'}"
    assert refused("DuplicateItemException", run, table, duplicate) == "Duplicate primary key exists in table"
    for statement in (
        "UPDATE \"{table}\" SET n = 2 WHERE pk = 'nobody'",
        "UPDATE \"{table}\" SET n = 2 WHERE pk = 'a' AND n > 1",
        "DELETE FROM \"{table}\" WHERE pk = 'a' AND missing <> 1",
    ):
        refused("ConditionalCheckFailedException", run, table, statement)

    assert table.new_changes() == []
    assert table.item() == {"pk": {"S": "a"}, "n": {"N": "1"}}


def test_old_and_new_items_are_returned(table):
    table.put(pk={"S": "a"}, l={"L": []})
    update = "UPDATE \"{table}\" SET l = list_append(l, [1]) WHERE pk = 'a' RETURNING ALL %s *"

    assert run(table, update % "NEW") == [{"pk": {"S": "a"}, "l": {"L": [{"N": "1"}]}}]
    assert run(table, update % "OLD") == [{"pk": {"S": "a"}, "l": {"L": [{"N": "1"}]}}]
    [deleted] = run(table, "DELETE FROM \"{table}\" WHERE pk = 'a' RETURNING ALL OLD *")
    assert deleted["l"] == {"L": [{"N": "1"}, {"N": "1"}]}


def test_select_compares_typed_values_and_orders_a_partition(deployed):
    table = make_table(deployed, SORTED)
    for number in ("10", "9", "2"):
        table.put(pk={"S": "a"}, sk={"N": number}, m={"M": {"x": {"S": number}}})
    table.put(pk={"S": "b"}, sk={"N": "1"})

    def sort_keys(condition):
        return [item["sk"]["N"] for item in run(table, f'SELECT * FROM "{{table}}" WHERE {condition}')]

    assert sort_keys("pk = 'a'") == ["2", "9", "10"]
    assert sort_keys("pk = 'a' AND sk > 2 AND sk <= 10.0") == ["9", "10"]
    assert sort_keys("m.x < '2'") == ["10"]
    assert sort_keys("m.x <> '2'") == ["9", "10"]
    assert sort_keys("pk = 1") == []
    assert run(table, "SELECT m.x, pk, nothing FROM {table} WHERE sk = 9".replace("{table}", '"{table}"')) == [
        {"x": {"S": "9"}, "pk": {"S": "a"}}
    ]
    assert len(run(table, 'SELECT * FROM "{table}"')) == 4


def test_a_batch_runs_each_statement_by_itself(table):
    table.put(pk={"S": "a"})
    table.new_changes()
    answers = table.dynamodb.batch_execute_statement(
        Statements=[
            {"Statement": f"INSERT INTO \"{table.name}\" VALUE {{'pk': 'b'}}"},
            {"Statement": f"INSERT INTO \"{table.name}\" VALUE {{'pk': 'a'}}"},
            {"Statement": f"DELETE FROM \"{table.name}\" WHERE pk = 'a'"},
            {"Statement": "DELETE FROM nowhere WHERE pk = 'a'"},
        ]
    )["Responses"]

    assert [answer.get("Error", {}).get("Code") for answer in answers] == [
        None,
        "DuplicateItem",
        None,
        "ResourceNotFound",
    ]
    assert [change["eventName"] for change in table.new_changes()] in (["INSERT", "REMOVE"], ["REMOVE", "INSERT"])
    [found] = table.dynamodb.batch_execute_statement(
        Statements=[{"Statement": f"SELECT * FROM \"{table.name}\" WHERE pk = 'b'"}]
    )["Responses"]
    assert found["Item"] == {"pk": {"S": "b"}}


def transaction(table, *statements):
    texts = [statement.replace("{table}", table.name) for statement in statements]
    return table.dynamodb.execute_transaction(TransactStatements=[{"Statement": text} for text in texts])


def test_a_transaction_writes_all_or_nothing(table):
    table.put(pk={"S": "a"}, n={"N": "1"})
    table.new_changes()
    update, insert = "UPDATE \"{table}\" SET n = 2 WHERE pk = 'a'", "INSERT INTO \"{table}\" VALUE {'pk': 'b'}"
    failing = "UPDATE \"{table}\" SET n = 2 WHERE pk = 'nobody'"

    message = refused("TransactionCanceledException", transaction, table, update, insert, failing)
    assert "[None, None, ConditionalCheckFailed]" in message
    assert table.new_changes() == []
    assert table.item() == {"pk": {"S": "a"}, "n": {"N": "1"}}
    assert table.item("b") is None

    transaction(table, update, insert)
    assert sorted(change["eventName"] for change in table.new_changes()) == ["INSERT", "MODIFY"]
    refused("ValidationException", transaction, table, update, "DELETE FROM \"{table}\" WHERE pk = 'a'")
    refused("ValidationException", transaction, table, update, "SELECT * FROM \"{table}\" WHERE pk = 'b'")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM",
        'UPDATE "{table}" SET n = 1',
        'UPDATE "{table}" SET n = 1 WHERE n = 2',
        "UPDATE \"{table}\" SET pk = 'b' WHERE pk = 'a'",
        "INSERT INTO \"{table}\" VALUE {'n': 1}",
        "INSERT INTO \"{table}\" VALUE {'pk': 'b', 'n': 1e200}",
        "INSERT INTO \"{table}\" VALUE {'pk': ''}",
        "INSERT INTO \"{table}\" VALUE {'pk': ?}",
        "INSERT INTO \"{table}\" VALUE {'pk': 'b'",
        "DELETE FROM \"{table}\" WHERE pk = 'a' § 1",
    ],
)
def test_wrong_statements_are_refused(table, statement):
    table.put(pk={"S": "a"})
    table.new_changes()
    refused("ValidationException", run, table, statement)

    assert table.new_changes() == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ('SELECT count(*) FROM "{table}"', "PartiQL function count"),
        ('SELECT * FROM "{table}"."index"', "PartiQL on an index"),
        ("SELECT * FROM \"{table}\" WHERE pk = 'a' OR pk = 'b'", "PartiQL SELECT with OR"),
        ("SELECT * FROM \"{table}\" WHERE pk IN ['a']", "PartiQL condition with IN"),
        ("SELECT * FROM \"{table}\" WHERE begins_with(pk, 'a')", "PartiQL function begins_with"),
        ('SELECT * FROM "{table}" WHERE n IS MISSING', "PartiQL condition with IS"),
        ("SELECT * FROM \"{table}\" WHERE pk = 'a' ORDER BY pk", "PartiQL SELECT with ORDER"),
        ("UPDATE \"{table}\" SET s = set_add(s, <<1>>) WHERE pk = 'a'", "PartiQL function set_add"),
        ("DELETE FROM \"{table}\" WHERE pk = 'a' RETURNING MODIFIED OLD *", "PartiQL RETURNING MODIFIED OLD *"),
        ("UPSERT INTO \"{table}\" VALUE {'pk': 'a'}", "PartiQL UPSERT"),
    ],
)
def test_what_is_not_done_is_refused_by_name(table, statement, what):
    assert what in refused("NotImplementedByLocalAws", run, table, statement)


def test_pages_are_refused_by_name(table):
    assert "Limit" in refused("NotImplementedByLocalAws", run, table, 'SELECT * FROM "{table}"', Limit=1)
