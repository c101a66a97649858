"""PartiQL statements, run as the requests that they stand for, so that they change and stream what those do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import JsonRESTError
from moto.dynamodb.exceptions import (
    ConditionalCheckFailed,
    DynamodbException,
    MockValidationException,
    ResourceNotFoundException,
    TransactionCanceledException,
)
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import validate_put_has_empty_keys

from ddb_pipeline.local_aws.change_stream import partiql
from ddb_pipeline.local_aws.change_stream.attribute_values import normalised, normalised_attributes
from ddb_pipeline.local_aws.change_stream.images import Image
from ddb_pipeline.local_aws.change_stream.items import (
    Attributes,
    StoredItem,
    as_stored,
    checked_key,
    stored_item,
    wire_values,
)
from ddb_pipeline.local_aws.change_stream.partiql import Condition, InvalidStatementError, Path, Statement

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.change_stream.backend import ChangeStreamBackend

_ERRORS = "com.amazonaws.dynamodb.v20120810#"
_MOST_IN_BATCH, _MOST_IN_TRANSACTION = 25, 100
_KEYS_WANTED = "Where clause does not contain a mandatory equality on all key attributes"


class DuplicateItemError(DynamodbException):
    """INSERT found an item of that key."""

    def __init__(self) -> None:
        super().__init__(f"{_ERRORS}DuplicateItemException", "Duplicate primary key exists in table")


class StatementRunner:
    """Runs statements on the tables of one account and region; the callers of all methods hold the backend's lock."""

    def __init__(self, backend: ChangeStreamBackend) -> None:
        self._backend = backend

    def one(self, text: str, parameters: list[dict[str, Any]] | None) -> list[Attributes]:
        """Run one statement, and return the items that it answers with.

        Raises:
            DynamodbException: DynamoDB would refuse it.
            NotImplementedError: It asks for what local AWS does not do.
        """
        return self._run(_parsed(text, parameters))

    def batch(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run each of some statements, whatever becomes of the others."""
        statements = _all_parsed(requests, _MOST_IN_BATCH)
        answers = []
        for statement in statements:
            answer: dict[str, Any] = {"TableName": statement.table}
            try:
                if statement.kind == "SELECT":
                    self._key(self._backend.get_table(statement.table), statement.conditions)
                for item in self._run(statement)[:1]:
                    answer["Item"] = item
            except (JsonRESTError, ResourceNotFoundException) as error:
                code = str(error.error_type).rpartition("#")[2].removesuffix("Exception")
                code = {"Validation": "ValidationError"}.get(code, code)
                answer["Error"] = {"Code": code, "Message": error.message}
            answers.append(answer)
        return answers

    def transaction(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run all statements, or none of those that write.

        Raises:
            TransactionCanceledException: A statement failed.
            MockValidationException: Two statements are for one item.
        """
        statements = _all_parsed(requests, _MOST_IN_TRANSACTION)
        places = [(one.table, Image.of(self._place(one)).text) for one in statements]
        if len(set(places)) < len(places):
            raise MockValidationException("Transaction request cannot include multiple operations on one item")
        answers: list[dict[str, Any]] = []
        reasons: list[tuple[str | None, str | None, Any]] = [(None, None, None)] * len(statements)
        with self._backend.all_or_nothing():
            for number, statement in enumerate(statements):
                try:
                    found = self._run(statement)
                except MockValidationException:
                    raise
                except JsonRESTError as error:
                    code = str(error.error_type).rpartition("#")[2].removesuffix("Exception")
                    reasons[number] = (code, error.message, None)
                    raise TransactionCanceledException(reasons) from None
                answers += [{"Item": item} for item in found] or [{}]
        return answers

    def _run(self, statement: Statement) -> list[Attributes]:
        table = self._backend.get_table(statement.table)
        if statement.kind == "SELECT":
            return self._select(table, statement)
        if statement.kind == "INSERT":
            return self._insert(table, statement)
        return self._change(table, statement)

    def _insert(self, table: Table, statement: Statement) -> list[Attributes]:
        item = normalised_attributes(statement.item)
        validate_put_has_empty_keys(item, table)
        if stored_item(table, item) is not None:
            raise DuplicateItemError
        self._backend.put_item(str(table.name), item)
        return []

    def _change(self, table: Table, statement: Statement) -> list[Attributes]:
        key, others = self._key(table, statement.conditions)
        before = stored_item(table, key)
        if before is None and statement.kind == "DELETE":
            # ql-reference.delete.html: nothing is deleted, and the statement succeeds
            return []
        if before is None or not _meets(before, others):
            raise ConditionalCheckFailed
        if statement.kind == "DELETE":
            self._backend.delete_item(str(table.name), key)
            after = None
        else:
            names = _Names()
            expression = _update_expression(statement, names)
            after = self._backend.update_item(str(table.name), key, expression, names.names, names.values)
        shown = {"ALL_OLD": before, "ALL_NEW": after}.get(statement.returning or "")
        return [] if shown is None else [wire_values(shown)]

    def _select(self, table: Table, statement: Statement) -> list[Attributes]:
        items = (as_stored(table, item) for item in table.all_items())
        found = [item for item in items if _meets(item, statement.conditions)]
        if table.range_key_attr is not None:
            # within a partition, as Query returns them
            order = {item.hash_key: number for number, item in reversed(list(enumerate(found)))}
            found.sort(key=lambda item: (order[item.hash_key], _sort_value(item.keys.attributes(), table)))
        return [_projected(wire_values(item), statement.columns) for item in found]

    def _key(self, table: Table, conditions: list[Condition]) -> tuple[Attributes, list[Condition]]:
        own = [one for one in conditions if one.operator == "=" and one.path[0] in table.table_key_attrs]
        key = {str(one.path[0]): normalised(one.value) for one in own if len(one.path) == 1}
        if set(key) != set(table.table_key_attrs) or len(own) != len(key):
            raise MockValidationException(_KEYS_WANTED)
        return checked_key(table, key), [one for one in conditions if one not in own]

    def _place(self, statement: Statement) -> Attributes:
        table = self._backend.get_table(statement.table)
        if statement.kind != "INSERT":
            return self._key(table, statement.conditions)[0]
        item = normalised_attributes(statement.item)
        return {name: item[name] for name in table.table_key_attrs if name in item}


class _Names:
    """Placeholders of an expression."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def path(self, path: Path) -> str:
        text = ""
        for part in path:
            if isinstance(part, int):
                text += f"[{part}]"
                continue
            name = f"#n{len(self.names)}"
            self.names[name] = part
            text += f".{name}" if text else name
        return text

    def value(self, value: dict[str, Any]) -> str:
        name = f":v{len(self.values)}"
        self.values[name] = value
        return name


def _update_expression(statement: Statement, names: _Names) -> str:
    sets = []
    for one in statement.sets:
        target, value = names.path(one.path), names.value(one.value)
        if one.operation == "list_append":
            value = f"list_append({names.path(one.operand)}, {value})"
        elif one.operation is not None:
            value = f"{names.path(one.operand)} {one.operation} {value}"
        sets.append(f"{target} = {value}")
    clauses = [f"SET {', '.join(sets)}"] if sets else []
    if statement.removes:
        clauses.append(f"REMOVE {', '.join(names.path(path) for path in statement.removes)}")
    return " ".join(clauses)


def _meets(item: StoredItem, conditions: list[Condition]) -> bool:
    image = item.image.attributes() if conditions else {}
    return all(_holds(_at(image, one.path), one) for one in conditions)


def _holds(found: Any, condition: Condition) -> bool:
    """Whether a comparison holds; it does not where the attribute is missing, and only `<>` does for another type."""
    if found is None:
        return False
    [(kind, content)] = found.items()
    [(wanted_kind, wanted)] = Image.of({"value": condition.value}).attributes()["value"].items()
    if kind.endswith("S") and len(kind) == 2 and kind == wanted_kind:  # noqa: PLR2004 - a set
        content, wanted = sorted(content), sorted(wanted)
    if condition.operator in {"=", "<>"}:
        return ((kind, content) == (wanted_kind, wanted)) == (condition.operator == "=")
    if kind != wanted_kind:
        return False
    if kind not in {"S", "N", "B"}:
        raise MockValidationException(f"Invalid operand type for operator {condition.operator}: {kind}")
    left, right = _comparable(kind, content), _comparable(kind, wanted)
    return bool(
        {
            "<": left < right,
            ">": left > right,
            "<=": left <= right,
            ">=": left >= right,
        }[condition.operator]
    )


def _comparable(kind: str, content: str) -> Any:
    if kind == "N":
        return Decimal(content)
    return content.encode() if kind == "S" else base64.b64decode(content)


def _sort_value(image: Attributes, table: Table) -> Any:
    [(kind, content)] = image[str(table.range_key_attr)].items()
    return _comparable(kind, content)


def _at(image: Any, path: Path) -> Any:
    """The value at a path; None if there is none."""
    value: Any = {"M": image}
    for part in path:
        members = value.get("M") if isinstance(part, str) else value.get("L")
        if members is None:
            return None
        try:
            value = members[part]
        except (KeyError, IndexError):
            return None
    return value


def _projected(attributes: Attributes, columns: list[Path] | None) -> Attributes:
    if columns is None:
        return attributes
    found = {}
    for path in columns:
        value = _at(attributes, path)
        if value is not None:
            last = path[-1]
            if isinstance(last, int):
                raise NotImplementedError("PartiQL SELECT of a list's member")
            found[last] = value
    return found


def _parsed(text: str, parameters: list[dict[str, Any]] | None) -> Statement:
    with _as_validation():
        return partiql.parse(text, parameters or [])


def _all_parsed(requests: list[dict[str, Any]], most: int) -> list[Statement]:
    if not 1 <= len(requests) <= most:
        raise MockValidationException(
            f"1 validation error detected: Value at 'statements' failed to satisfy constraint: Member must have length "
            f"between 1 and {most}"
        )
    found = [_parsed(request["Statement"], request.get("Parameters")) for request in requests]
    if len({statement.kind == "SELECT" for statement in found}) > 1:
        raise MockValidationException("Statements that read and statements that write cannot be in one request")
    return found


@contextmanager
def _as_validation() -> Iterator[None]:
    try:
        yield
    except InvalidStatementError as error:
        raise MockValidationException(str(error)) from None
