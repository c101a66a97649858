"""A line of a JSON object as a row of a table. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.openx import syntax
from ddb_pipeline.local_aws.athena.openx.options import Options
from ddb_pipeline.local_aws.athena.openx.values import Folded, MisfitError, Number, Whole, members, reader
from ddb_pipeline.local_aws.athena.relations import Field

# what Java's trim() takes away
_BLANK = "".join(map(chr, range(0x21)))
# of objects that are maps, each may have keys of its own
_MOST_KEYS = 10_000
_NOT_AN_OBJECT = "Row is not a valid JSON Object"


class LineError(Exception):
    """No row can be made of a line, whichever columns a query uses.

    Attributes:
        name: Athena's name of the error.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name

    def at(self, place: str) -> QueryFailedError:
        """The failure of a query that reads the line.

        Args:
            place: Object and number of the line.
        """
        return QueryFailedError(self.name, f"{self} in {place}")


class _DuplicateKeyError(Exception):
    """Two keys of an object are the same."""


class RowReader:
    """Reads lines as rows of a table.

    Args:
        columns: The table's columns, without its partition columns.
        options: How lines are read.
    """

    def __init__(self, columns: Sequence[Field], options: Options) -> None:
        self._options = options
        names = [str(column.name) for column in columns]
        self._columns = [
            (place, name, key, column, reader(column.type, options))
            for place, ((name, key), column) in enumerate(zip(members(names, options), columns, strict=True), 1)
        ]
        # keys that were met, and those of them that are looked for as they are
        self._names: dict[str, str] = {}
        self._unchanged: set[str] = set()
        self._json = json.JSONDecoder(
            parse_float=Number,
            parse_int=Whole,
            parse_constant=_refuse,
            strict=False,
            object_pairs_hook=self._object,
        )

    def row(self, line: str) -> tuple[dict[str, Any], dict[int, LineError]]:
        """Read a line.

        Returns:
            JSON of the row, NULLs left out, and what is wrong by place of the column, from 1: it is left out too.

        Raises:
            LineError: There is no row in it.
        """
        content = self._content(line.strip(_BLANK))
        row: dict[str, Any] = {}
        misfits: dict[int, LineError] = {}
        for place, name, key, column, read in self._columns:
            value = content.get(key)
            if value is None:
                continue
            try:
                row[name] = read(value)
            except MisfitError as misfit:
                if not self._is_null(misfit, column):
                    misfits[place] = _misfit(place, name, misfit)
        return row, misfits

    def _is_null(self, misfit: MisfitError, column: Field) -> bool:
        """Whether a misfit is NULL, as documented; of a part of a value it is not known what becomes of the whole."""
        return self._options.nulls_misfits and misfit.is_sure and misfit.is_flat and not column.type.parts

    def _content(self, text: str) -> dict[str, Any]:
        if not text:
            return {}
        if text.startswith("["):
            raise LineError("NOT_SUPPORTED", "a line that is a JSON array is not supported by local AWS")
        try:
            # what comes after the object is not looked at
            content, _ = self._json.raw_decode(text) if text.startswith("{") else (None, 0)
        except _DuplicateKeyError as error:
            message = f"{_NOT_AN_OBJECT} - JSONException: Duplicate key {json.dumps(str(error))}"
            raise LineError("HIVE_CURSOR_ERROR", message) from None
        except (ValueError, RecursionError):
            content = None
            self._require_malformed(text)
        if isinstance(content, dict):
            return content
        if self._options.ignores_malformed:
            return {}
        raise LineError("HIVE_CURSOR_ERROR", _NOT_AN_OBJECT)

    def _require_malformed(self, text: str) -> None:
        try:
            is_read = syntax.is_read(text)
        except RecursionError:
            raise LineError("NOT_SUPPORTED", "JSON nested this deeply is not supported by local AWS") from None
        if is_read:
            message = "a line that is an object to OpenX, and no JSON, is not supported by local AWS"
            raise LineError("NOT_SUPPORTED", message)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) == len(pairs) and self._unchanged.issuperset(content):
            return content
        found = Folded()
        for key, value in pairs:
            name = self._name(key)
            if name in found:
                raise _DuplicateKeyError(name)
            found[name] = value
        return content if found.keys() == content.keys() else found

    def _name(self, key: str) -> str:
        """The name by which a key is looked for."""
        name = self._names.get(key)
        if name is None:
            name = key.lower() if self._options.folds_case else key
            name = name.replace(".", "_") if self._options.joins_dots else name
            if len(self._names) < _MOST_KEYS:
                self._names[key] = name
                if name == key:
                    self._unchanged.add(key)
        return name


def _misfit(place: int, name: str, misfit: MisfitError) -> LineError:
    if misfit.is_sure:
        return LineError("HIVE_BAD_DATA", f"Error parsing field value for field {place - 1} ({name}): {misfit}")
    return LineError("NOT_SUPPORTED", f"a value of column {name} is not supported by local AWS: {misfit}")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
