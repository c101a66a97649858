"""The query that an earlier attempt of a step has started is found again; only where there is none, one is started.

Athena starts no second query for a client request token that it has seen: it answers with the id of the first, however
that one ended, and refuses the token with other parameters (API StartQueryExecution, ClientRequestToken). So a token
is made of all that is asked, and a query that ended badly is left behind with its token. How long Athena remembers a
token it does not say.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ddb_pipeline.resources.athena_queries import AthenaQueryError, Queries
from ddb_pipeline.resources.steps import Step

_BAD = frozenset({"FAILED", "CANCELLED"})
_TRIES = 50
_CLOCK = timedelta(seconds=3)
"""How much earlier than the answer to its start a query may say that it was submitted: the clocks of two machines."""

_seen: set[str] = set()
"""Ids of queries that this process was given: given again, they are found and not new."""
_counts: dict[tuple[str, str, int, str], int] = {}
"""How often an attempt of a step has asked the same: twice in one attempt means two queries."""


@dataclass
class Finding:
    """Finds the query that an earlier attempt of a step has started, or starts one.

    Attributes:
        queries: Starts and describes queries.
        step: The attempt; None: always a new query.
        query_id: Athena's id of the query that was started or found last, and was not left behind; None: there is none.
        found: Whether that query had been started by an earlier attempt.
    """

    queries: Queries
    step: Step | None
    query_id: str | None = field(default=None, init=False)
    found: bool = field(default=False, init=False)

    def run(self, asked: Mapping[str, Any]) -> str:
        """Return the id of a query that runs, or whose success is of use now.

        Args:
            asked: Parameters of StartQueryExecution, without the token.

        Raises:
            AthenaQueryError: Athena refused it, or too many have been left behind.
        """
        may_doubt = self.step is not None and self.step.comes_again
        for token in self._tokens(asked):
            self.query_id, at = self.queries.start(asked, token)
            if self.step is None:
                return self.query_id
            described = self.queries.describe(self.query_id)
            is_bad = described["Status"]["State"] in _BAD
            is_old = self.query_id in _seen or _moment(described["Status"].get("SubmissionDateTime")) < at - _CLOCK
            if is_bad and not is_old and may_doubt:
                # it may be of another process, a moment ago. One is left behind for that, not each: a statement that
                # fails at once would be asked again and again
                is_old, may_doubt = True, False
            _seen.add(self.query_id)
            if not is_old:
                return self.query_id
            if not is_bad and self._is_of_use(described, self.step):
                self.found = True
                return self.query_id
            self.query_id = None
        raise AthenaQueryError(
            f"this statement was asked {_TRIES} times in this run and those that it repeats: start a new run", None
        )

    def _tokens(self, asked: Mapping[str, Any]) -> Iterator[str]:
        if self.step is None:
            yield uuid.uuid4().hex
            return
        step, statement = self.step, _digest(asked)
        key = (step.run_id, step.key, step.attempt, statement)
        number = _counts[key] = _counts.get(key, 0) + 1
        began_in = step.began_in()
        for place in range(_TRIES):
            yield _digest([began_in, step.key, statement, number, place])

    def _is_of_use(self, described: Mapping[str, Any], step: Step) -> bool:
        """Whether a query that was found, and did not end badly, may stand for a new one.

        What it wrote is written, whenever that was. What it read before this run began is what there was then: somebody
        may have mended something since.
        """
        status = described["Status"]
        if status["State"] != "SUCCEEDED" or not only_reads(described):
            return True
        return _moment(status.get("CompletionDateTime")) >= step.began_at()


def only_reads(described: Mapping[str, Any]) -> bool:
    """Whether a query changes nothing; one that does not say what it is counts as one that does.

    Args:
        described: API shape QueryExecution. Its SubstatementType is a text of which AWS documents no values.
    """
    return described.get("StatementType") == "UTILITY" or described.get("SubstatementType") == "SELECT"


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _moment(value: Any) -> datetime:
    """A time of the API; boto3 gives them with a time zone."""
    return value if isinstance(value, datetime) else datetime.now(UTC)
