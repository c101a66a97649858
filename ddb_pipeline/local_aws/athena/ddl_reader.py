"""Reads statements about the catalog word by word: sqlglot knows few of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, TokenType, exp

from ddb_pipeline.local_aws.athena.dialect import words
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, not_supported
from ddb_pipeline.local_aws.athena.plans import Session
from ddb_pipeline.local_aws.athena.table_names import name_of

_OPEN, _CLOSED = ("(", "<"), (")", ">")


class Reader:
    """The words of one statement, from left to right.

    Args:
        session: The statement.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._tokens = words(session.sql)
        self._place = 0

    def accept(self, *wanted: str) -> bool:
        """Go past these words if they come next."""
        found = self._tokens[self._place : self._place + len(wanted)]
        if len(found) != len(wanted) or any(map(self._is_quoted, found)):
            return False
        if [token.text.upper() for token in found] != list(wanted):
            return False
        self._place += len(wanted)
        return True

    def expect(self, *wanted: str) -> None:
        """Go past these words, or fail."""
        for word in wanted:
            if not self.accept(word):
                raise self.wrong(f"'{word}'")

    def end(self) -> None:
        """Fail if anything is left."""
        if self._place < len(self._tokens):
            raise self.wrong("the end")

    @property
    def has_more(self) -> bool:
        """Whether anything is left."""
        return self._place < len(self._tokens)

    def name(self) -> str:
        """Read a name, plain or in backticks; lower case."""
        token = self._next("a name")
        quote = self.session.sql[token.start]
        if not (quote in {"`", "_"} or quote.isalnum()):
            self._place -= 1
            raise self.wrong("a name")
        return str(token.text).lower()

    def table(self) -> tuple[str, str]:
        """Read the name of a table or view: database and name."""
        parts = [self.name()]
        while self.accept("."):
            parts.append(self.name())
        identifiers = [exp.to_identifier(part, quoted=True) for part in parts]
        keys = ("this", "db", "catalog")
        if len(parts) > len(keys):
            raise self.wrong("a table name")
        return name_of(exp.Table(**dict(zip(keys, reversed(identifiers), strict=False))), self.session)

    def text(self) -> str:
        """Read a text, in single or double quotes."""
        token = self._next("a text")
        if self.session.sql[token.start] not in "'\"":
            self._place -= 1
            raise self.wrong("a text")
        return str(token.text)

    def value(self) -> str:
        """Read a text or a whole number."""
        if self.has_more and self._tokens[self._place].token_type == TokenType.NUMBER:
            return str(self._next("a value").text)
        return self.text()

    def properties(self) -> dict[str, str]:
        """Read `('name' = 'value', ...)`."""
        found: dict[str, str] = {}
        self.expect("(")
        while True:
            name = self.text()
            self.expect("=")
            found[name] = self.text()
            if not self.accept(","):
                break
        self.expect(")")
        return found

    def partition(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Read `PARTITION (key = 'value', ...)`: a value for each of the table's partition columns."""
        self.expect("PARTITION", "(")
        found: dict[str, str] = {}
        while True:
            key = self.name()
            self.expect("=")
            found[key] = self.value()
            if not self.accept(","):
                break
        self.expect(")")
        if set(found) != set(keys):
            message = f"a PARTITION that does not name exactly the columns {', '.join(keys)}"
            raise not_supported(self.session.sql, None, message)
        return tuple(found[key] for key in keys)

    def columns(self) -> list[dict[str, str]]:
        """Read `(name type [COMMENT 'text'], ...)` as Glue's columns."""
        found: list[dict[str, str]] = []
        self.expect("(")
        while True:
            column = {"Name": self.name(), "Type": self._type()}
            if self.accept("COMMENT"):
                column["Comment"] = self.text()
            found.append(column)
            if not self.accept(","):
                break
        self.expect(")")
        return found

    def _type(self) -> str:
        """Read a Hive type: everything up to a comma, COMMENT or bracket outside of its own brackets."""
        depth, parts = 0, []
        while self.has_more:
            token = self._tokens[self._place]
            own = str(token.text)
            if not depth and (own in (",", ")") or own.upper() == "COMMENT"):
                break
            depth += sum(map(own.count, _OPEN)) - sum(map(own.count, _CLOSED))
            parts.append(own.lower())
            self._place += 1
        if not parts:
            raise self.wrong("a type")
        return "".join(parts)

    def wrong(self, expected: str) -> QueryFailedError:
        """Make the error of what comes next."""
        if not self.has_more:
            return QueryFailedError("SYNTAX_ERROR", f"the statement ends too early. Expecting: {expected}")
        token = self._tokens[self._place]
        before = self.session.sql[: token.start]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        message = f"line {line}:{column}: mismatched input '{token.text}'. Expecting: {expected}"
        return QueryFailedError("SYNTAX_ERROR", message)

    def _is_quoted(self, token: Token) -> bool:
        return self.session.sql[token.start] in "'\"`"

    def _next(self, expected: str) -> Token:
        if not self.has_more:
            raise self.wrong(expected)
        self._place += 1
        return self._tokens[self._place - 1]
