"""The report of a verification: a page of Markdown that can be shown to anybody. Pure.

No account, no credentials, no item is in it: what was seen is told in counts, and what must not be there is taken out
of every text, error messages of AWS among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ddb_pipeline.cli.verification.observations import Observation

_QUESTIONS = (
    "What AWS does not document and the design rests on, as it was seen here. What was seen a few times is no proof: "
    "the counts say how often."
)
_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
_SHORTEST_SECRET = 8
"""Shorter ones are no secrets, and everyday words."""
_ACCESS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")


@dataclass
class Report:
    """What a verification has found so far.

    Attributes:
        title: Stage and pipeline.
        facts: What ran where: versions, region, settings.
        steps: Seconds of each step, in order.
        results: What was compared, and how it came out.
        observations: Answers to the open questions.
        failure: Why it ended early; None: it did not.
        secrets: Texts that must not be in the report.
    """

    title: str
    facts: Mapping[str, str]
    steps: dict[str, float] = field(default_factory=dict)
    results: list[tuple[str, str, bool]] = field(default_factory=list)
    observations: Sequence[Observation] = ()
    failure: str | None = None
    secrets: Iterable[str | None] = ()

    @property
    def is_good(self) -> bool:
        """Whether it came to its end, and every comparison came out right."""
        return self.failure is None and bool(self.results) and all(right for _, _, right in self.results)

    def add(self, what: str, found: str, *, right: bool) -> None:
        """Note a comparison."""
        self.results.append((what, found, right))

    def text(self) -> str:
        """Return the page."""
        verdict = "right" if self.is_good else "**not right**"
        lines = [f"# Verification of {self.title}: {verdict}", ""]
        if self.failure is not None:
            lines += [f"It ended early: {self.failure}", ""]
        lines += [*_table(("what", "found"), self.facts.items()), ""]
        lines += ["## Compared", ""]
        lines += [
            *_table(("what", "found", ""), ((w, f, "right" if ok else "**wrong**") for w, f, ok in self.results)),
            "",
        ]
        lines += ["## Open questions", "", _QUESTIONS, ""]
        for number, one in enumerate(self.observations, start=1):
            lines += [
                f"{number}. **{one.question}** {one.verdict}.",
                f"   Seen: {one.seen}.",
                f"   Rests on it: {one.rests}.",
                "",
            ]
        lines += [
            "## Steps",
            "",
            *_table(("step", "seconds"), ((name, f"{took:.0f}") for name, took in self.steps.items())),
            "",
        ]
        return redacted("\n".join(lines), self.secrets)


def redacted(text: str, secrets: Iterable[str | None]) -> str:
    """Return a text without accounts, access keys, and some texts that are known."""
    for secret in sorted(
        {found for found in secrets if found and len(found) >= _SHORTEST_SECRET}, key=len, reverse=True
    ):
        text = text.replace(secret, "<removed>")
    return _ACCESS_KEY.sub("<access key>", _ACCOUNT.sub("<account>", text))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in row)} |" for row in rows),
    ]
