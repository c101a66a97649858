"""One table of a TOML file, read key by key: whatever is wrong is said with its place in the file.

Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

from ddb_pipeline.cron import is_cron


class DeclarationError(Exception):
    """`pipeline.toml` is missing or wrong. The message is meant for the person who edits the file."""


_MISSING = object()


@dataclass(frozen=True)
class ByStage:
    """Text that is the same in all stages, or is said for some of them.

    Attributes:
        everywhere: What holds in all stages; None: only `stages` says anything.
        stages: Pairs of a stage's name and what holds there.
    """

    everywhere: str | None = None
    stages: tuple[tuple[str, str], ...] = ()

    def of(self, stage: str) -> str | None:
        """What holds in a stage, None if nothing does."""
        return self.everywhere if self.everywhere is not None else dict(self.stages).get(stage)


IN_NO_STAGE = ByStage()


class Table:
    """One TOML table being read: knows its place in the file, and which keys were asked for."""

    def __init__(self, path: Path, place: str, content: Mapping[str, Any]) -> None:
        self._path = path
        self._place = place
        self._content = content
        self._asked: list[str] = []

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        self._asked.append(key)
        return key in self._content

    def table(self, key: str, rule: str = "a table") -> Table:
        """The table of that key; `rule` says what it is, for somebody who wrote something else."""
        value = self._value(key, lambda found: isinstance(found, dict), rule, _MISSING)
        return Table(self._path, self._name(key), value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A table whose keys are not ours to know; empty where there is none."""
        found = self._value(key, lambda found: isinstance(found, dict), "a table", {})
        return cast("Mapping[str, Any]", found)

    def tables(self, key: str) -> dict[str, Callable[[], Table]]:
        """The named tables below `key`, of which there must be one at least, each to be read for itself."""
        rule = f"one table [{key}.<name>] at least"
        content = self._value(key, lambda found: isinstance(found, dict), rule, _MISSING)
        if not content:
            self.fail(key, content, rule)
        named = Table(self._path, self._name(key), content)
        return {name: partial(named.table, name) for name in content}

    def text(self, key: str, default: Any = _MISSING) -> str | None:
        """Text that is not empty."""
        rule = "text that is not empty"
        return cast("str | None", self._value(key, lambda v: isinstance(v, str) and v != "", rule, default))

    def matching(self, key: str, pattern: str, rule: str) -> str | None:
        """Text of a form, or None where the key is not there."""
        return cast("str | None", self._value(key, _matches(pattern), rule, None))

    def texts(self, key: str, pattern: str, rule: str) -> tuple[str, ...]:
        """A list of texts of a form, none of them twice; empty where the key is not there."""
        each = _matches(pattern)

        def allowed(found: Any) -> bool:
            return isinstance(found, list) and all(map(each, found)) and len(set(found)) == len(found)

        return tuple(self._value(key, allowed, f"a list of different texts, each {rule}", ()))

    def by_stage(self, key: str, pattern: str, rule: str) -> ByStage:
        """Text of a form: for all stages, or in a table by stage; nothing where the key is not there."""
        both = f"{rule}, or a table of these by stage"
        fits = _matches(pattern)
        found = self._value(key, lambda value: fits(value) or (isinstance(value, dict) and value != {}), both, None)
        if not isinstance(found, dict):
            return ByStage(everywhere=found)
        for stage, value in found.items():
            if not fits(value):
                self.fail(f"{key}.{stage}", value, rule)
        return ByStage(stages=tuple(found.items()))

    def boolean(self, key: str, *, default: bool) -> bool:
        """True or false."""
        return bool(self._value(key, lambda v: isinstance(v, bool), "true or false", default))

    def integer(self, key: str, low: int, high: int, default: Any = _MISSING) -> int:
        """A whole number in a range."""

        def allowed(found: Any) -> bool:
            return isinstance(found, int) and not isinstance(found, bool) and low <= found <= high

        return int(self._value(key, allowed, f"a whole number from {low} to {high}", default))

    def choice(self, key: str, choices: tuple[str, ...], default: Any = _MISSING) -> str:
        """One of some texts."""
        rule = " or ".join(f'"{choice}"' for choice in choices)
        return str(self._value(key, lambda v: isinstance(v, str) and v in choices, rule, default))

    def day(self, key: str, first: date, last: date) -> date:
        """A date in a range."""
        # a TOML date-time is a datetime, which is a date too
        value = self._value(key, lambda v: type(v) is date, "a date such as 2026-01-31, without quotes", _MISSING)
        if not first <= value <= last:
            self.fail(key, value, f"a date from {first} to {last}")
        return cast("date", value)

    def cron(self, key: str, default: str) -> str:
        """A cron expression."""
        rule = 'a cron expression of five fields in UTC, such as "5 * * * *"'
        return str(self._value(key, is_cron, rule, default))

    def check_name(self, name: str, *, pattern: str, rule: str) -> None:
        """Refuse a name that the pattern does not allow."""
        if not re.fullmatch(pattern, name):
            self.fail("", name, f"a name of {rule}")

    def refuse_unknown_keys(self) -> None:
        """Refuse keys that nobody has asked for."""
        for key in self._content:
            if key not in self._asked:
                self.fail(key, self._content[key], f"no such key; the keys here are {listed(self._asked)}")

    def fail(self, key: str, found: Any, allowed: str) -> NoReturn:
        """Say what was found in a place, and what is allowed there.

        Raises:
            DeclarationError: Always.
        """
        shown = "nothing" if found is _MISSING else _shown(found)
        raise DeclarationError(f"{self._path}: {self._name(key)}: found {shown}; allowed is {allowed}")

    def _value(self, key: str, allowed: Callable[[Any], bool], rule: str, default: Any) -> Any:
        self._asked.append(key)
        found = self._content.get(key, _MISSING)
        if found is _MISSING and default is not _MISSING:
            return default
        if found is _MISSING or not allowed(found):
            self.fail(key, found, rule)
        return found

    def _name(self, key: str) -> str:
        return ".".join(part for part in (self._place, key) if part)


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda found: isinstance(found, str) and re.fullmatch(pattern, found) is not None


def _shown(found: Any) -> str:
    text = f'"{found}"' if isinstance(found, str) else str(found)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004


def listed(names: Any) -> str:
    """Return names in order, as a message lists them."""
    return ", ".join(sorted(names))
