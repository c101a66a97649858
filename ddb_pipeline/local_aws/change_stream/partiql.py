"""PartiQL statements for DynamoDB: what is asked, or which part of it local AWS does not do. Pure: no moto, no server.

Source: amazondynamodb/latest/developerguide/ql-reference.html. Done here are INSERT, UPDATE with SET and REMOVE,
DELETE, and SELECT from a table, with comparisons joined by AND; everything else is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Path = tuple[str | int, ...]
Value = dict[str, Any]
Kind = Literal["SELECT", "INSERT", "UPDATE", "DELETE"]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*")
      | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign><<|>>|<=|>=|<>|!=|[=<>{}\[\](),:.*?+-])
    )""",
    re.VERBOSE,
)
_COMPARISONS = {"=", "<", ">", "<=", ">=", "<>"}
_CONSTANTS: dict[str, Value] = {"true": {"BOOL": True}, "false": {"BOOL": False}, "null": {"NULL": True}}
_RETURNING = {("ALL", "OLD"): "ALL_OLD", ("ALL", "NEW"): "ALL_NEW"}


class InvalidStatementError(Exception):
    """DynamoDB answers with a ValidationException."""


@dataclass(frozen=True)
class Condition:
    """One comparison of an attribute with a value."""

    path: Path
    operator: str
    value: Value


@dataclass(frozen=True)
class Assignment:
    """`SET path = value`, or `path + value` and the like.

    Attributes:
        path: What is set.
        value: The value.
        operation: None, `+`, `-` or `list_append`: what is done with `operand` and the value.
        operand: The attribute on the operation's left.
    """

    path: Path
    value: Value
    operation: str | None = None
    operand: Path = ()


@dataclass
class Statement:
    """One statement, its parameters filled in.

    Attributes:
        kind: What it does.
        table: Name of the table.
        item: What INSERT puts.
        conditions: Comparisons, all of which hold.
        sets: Assignments of UPDATE.
        removes: Attributes that UPDATE removes.
        columns: What SELECT returns; None for all.
        returning: `ALL_OLD` or `ALL_NEW`, None for nothing.
    """

    kind: Kind
    table: str
    item: dict[str, Value] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    sets: list[Assignment] = field(default_factory=list)
    removes: list[Path] = field(default_factory=list)
    columns: list[Path] | None = None
    returning: str | None = None


def parse(text: str, parameters: list[Value]) -> Statement:
    """Read a statement.

    Raises:
        InvalidStatementError: It is none.
        NotImplementedError: Local AWS does not do what it asks; the message names it.
    """
    return _Parser(text, parameters).statement()


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position, text = 0, text.strip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise InvalidStatementError(
                f"Statement wasn't well formed, can't be processed: unexpected {text[position : position + 10]!r}"
            )
        yield found.lastgroup, found[found.lastgroup]
        position = found.end()
    yield "end", ""


class _Parser:
    def __init__(self, text: str, parameters: list[Value]) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._parameters = iter(parameters)

    def statement(self) -> Statement:
        read = {"SELECT": self._select, "INSERT": self._insert, "UPDATE": self._update, "DELETE": self._delete}
        kind, text = self._next()
        if kind != "word":
            raise self._wrong(text)
        if text.upper() not in read:
            raise NotImplementedError(f"PartiQL {text.upper()}")
        statement = read[text.upper()]()
        if self._peek()[0] != "end":
            raise NotImplementedError(f"PartiQL {statement.kind} with {self._peek()[1].upper()}")
        if next(self._parameters, None) is not None:
            raise InvalidStatementError("Number of parameters in request and statement don't match.")
        return statement

    def _select(self) -> Statement:
        columns: list[Path] | None = None
        if not self._take("*"):
            columns = [self._path()]
            while self._take(","):
                columns.append(self._path())
        self._expect("FROM")
        return Statement("SELECT", self._table(), columns=columns, conditions=self._where(required=False))

    def _insert(self) -> Statement:
        self._expect("INTO")
        table = self._table()
        self._expect("VALUE")
        value = self._value()
        if "M" not in value:
            raise InvalidStatementError("Statement wasn't well formed, can't be processed: VALUE is a tuple {...}")
        return Statement("INSERT", table, item=value["M"])

    def _update(self) -> Statement:
        statement = Statement("UPDATE", self._table())
        while True:
            if self._take("SET"):
                statement.sets.append(self._assignment())
                while self._take(","):
                    statement.sets.append(self._assignment())
            elif self._take("REMOVE"):
                statement.removes.append(self._path())
                while self._take(","):
                    statement.removes.append(self._path())
            else:
                break
        if not statement.sets and not statement.removes:
            raise self._wrong(self._peek()[1])
        statement.conditions = self._where(required=True)
        statement.returning = self._returning()
        return statement

    def _delete(self) -> Statement:
        self._expect("FROM")
        statement = Statement("DELETE", self._table(), conditions=self._where(required=True))
        statement.returning = self._returning()
        return statement

    def _assignment(self) -> Assignment:
        path = self._path()
        self._expect("=")
        kind, text = self._peek()
        if kind not in {"word", "name"} or text.lower() in _CONSTANTS:
            value = self._value()
            if self._peek()[1] in {"+", "-"}:
                raise NotImplementedError("PartiQL arithmetic that begins with a value")
            return Assignment(path, value)
        if text.lower() == "list_append":
            self._next()
            self._expect("(")
            operand = self._path()
            self._expect(",")
            value = self._value()
            self._expect(")")
            return Assignment(path, value, "list_append", operand)
        self._refuse_function()
        operand = self._path()
        kind, text = self._next()
        if text in {"+", "-"}:
            return Assignment(path, self._value(), text, operand)
        # `a +1` and `a -1`: the sign belongs to the number
        if kind == "number" and text[0] in "+-":
            return Assignment(path, {"N": text[1:]}, text[0], operand)
        raise NotImplementedError("PartiQL SET to another attribute")

    def _where(self, *, required: bool) -> list[Condition]:
        if not self._take("WHERE"):
            if required:
                raise InvalidStatementError("Where clause does not contain a mandatory equality on all key attributes")
            return []
        conditions = [self._condition()]
        while self._take("AND"):
            conditions.append(self._condition())
        return conditions

    def _condition(self) -> Condition:
        kind, text = self._peek()
        if kind == "sign" or text.upper() in {"NOT", "EXISTS"}:
            raise NotImplementedError(f"PartiQL condition with {text.upper()}")
        self._refuse_function()
        path = self._path()
        kind, text = self._next()
        operator = "<>" if text == "!=" else text
        if operator not in _COMPARISONS:
            if kind == "end":
                raise self._wrong(text)
            raise NotImplementedError(f"PartiQL condition with {text.upper()}")
        return Condition(path, operator, self._value())

    def _refuse_function(self) -> None:
        kind, text = self._peek()
        if kind == "word" and self._tokens[self._at + 1][1] == "(":
            raise NotImplementedError(f"PartiQL function {text.lower()}")

    def _returning(self) -> str | None:
        if not self._take("RETURNING"):
            return None
        which = (self._next()[1].upper(), self._next()[1].upper())
        self._expect("*")
        if which not in _RETURNING:
            raise NotImplementedError(f"PartiQL RETURNING {' '.join(which)} *")
        return _RETURNING[which]

    def _table(self) -> str:
        name = self._name()
        if self._peek()[1] == ".":
            raise NotImplementedError("PartiQL on an index")
        return name

    def _name(self) -> str:
        kind, text = self._next()
        if kind == "name":
            return text[1:-1].replace('""', '"')
        if kind != "word":
            raise self._wrong(text)
        return text

    def _path(self) -> Path:
        self._refuse_function()
        path: list[str | int] = [self._name()]
        while True:
            if self._take("."):
                path.append(self._name())
            elif self._take("["):
                kind, text = self._next()
                if kind != "number" or not text.isdecimal():
                    raise self._wrong(text)
                path.append(int(text))
                self._expect("]")
            else:
                return tuple(path)

    def _value(self) -> Value:
        kind, text = self._next()
        if kind == "string":
            return {"S": text[1:-1].replace("''", "'")}
        if kind == "number":
            return {"N": text}
        if kind == "word" and text.lower() in _CONSTANTS:
            return dict(_CONSTANTS[text.lower()])
        if kind in {"word", "name"}:
            raise NotImplementedError(f"PartiQL value {text}")
        return self._parameter() if text == "?" else self._container(text)

    def _parameter(self) -> Value:
        value = next(self._parameters, None)
        if value is None:
            raise InvalidStatementError("Number of parameters in request and statement don't match.")
        return value

    def _container(self, start: str) -> Value:
        if start == "[":
            return {"L": list(self._members("]"))}
        if start == "<<":
            return self._set(list(self._members(">>")))
        if start == "{":
            return {"M": self._map()}
        raise self._wrong(start)

    def _members(self, end: str) -> Iterator[Value]:
        if self._take(end):
            return
        yield self._value()
        while self._take(","):
            yield self._value()
        self._expect(end)

    def _set(self, members: list[Value]) -> Value:
        kinds = {next(iter(member)) for member in members}
        if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
            raise InvalidStatementError("One or more parameter values were invalid: a set holds values of one type")
        [kind] = kinds
        return {f"{kind}S": [member[kind] for member in members]}

    def _map(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while not self._take("}"):
            if found:
                self._expect(",")
            kind, text = self._next()
            if kind not in {"string", "name"}:
                raise self._wrong(text)
            name = text[1:-1].replace(text[0] * 2, text[0])
            self._expect(":")
            if name in found:
                raise InvalidStatementError(f"Statement wasn't well formed, can't be processed: {name!r} comes twice")
            found[name] = self._value()
        return found

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at]

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at += token[0] != "end"
        return token

    def _take(self, wanted: str) -> bool:
        kind, text = self._peek()
        if kind in {"word", "sign"} and text.upper() == wanted:
            self._at += 1
            return True
        return False

    def _expect(self, wanted: str) -> None:
        if not self._take(wanted):
            raise self._wrong(self._peek()[1])

    @staticmethod
    def _wrong(text: str) -> InvalidStatementError:
        what = f"unexpected {text!r}" if text else "unexpected end"
        return InvalidStatementError(f"Statement wasn't well formed, can't be processed: {what}")
