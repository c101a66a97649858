"""Faults of a change stream, on request: what DynamoDB documents that a Kinesis stream may do, and losses besides.

Records may be repeated and arrive in another order (developerguide/kds.html), they may be late (the metric
AgeOfOldestUnreplicatedRecord says by how much), and times may be coarser than the changes are apart; a consumer has to
cope with all of it. Losses are no documented behaviour: they are there to see whether they are noticed. Pure: no moto,
no server, no clock.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from dataclasses import asdict, dataclass, fields
from typing import Any, Generic, Literal, TypeVar

from ddb_pipeline.local_aws.fault_text import NoValueError, settings_in

Record = TypeVar("Record")
Unit = Literal["millisecond", "second", "minute"]

_UNITS_US: dict[str, int] = {"millisecond": 1000, "second": 1_000_000, "minute": 60_000_000}
_LARGEST_WINDOW = 10_000
_LONGEST_DELAY_SECONDS = 24 * 60 * 60


class InvalidFaultsError(ValueError):
    """The settings of faults are none that exist."""


@dataclass(frozen=True)
class StreamFaults:
    """What a stream does wrong. Without arguments it does nothing wrong.

    Rates are from 0 to 1. The same settings make the same faults of the same sequence of records.

    Attributes:
        repeats: Rate of the records that arrive twice, byte for byte the same, so with the same eventID.
        reorders: Rate of the records that later ones overtake.
        late: Rate of the records that arrive late.
        late_seconds: By how much, on the clock.
        losses: Rate of the records that never arrive.
        coarse_times: Rate of the units of time whose changes all carry the unit's beginning as their time. The rate
            is one of units and not of records, so that no change seems to come before an earlier one.
        unit: The unit of coarse times.
        window: How many later records of the stream, at most, overtake one, or come before its repeat.
        seed: Chooses one of the possible sequences of faults.
    """

    repeats: float = 0.0
    reorders: float = 0.0
    late: float = 0.0
    late_seconds: int = 60
    losses: float = 0.0
    coarse_times: float = 0.0
    unit: Unit = "second"
    window: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("repeats", "reorders", "late", "losses", "coarse_times"):
            rate = getattr(self, name)
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
                raise InvalidFaultsError(f"{name} is a rate from 0 to 1, not {rate!r}")
        if self.unit not in _UNITS_US:
            raise InvalidFaultsError(f"unit is one of {', '.join(_UNITS_US)}, not {self.unit!r}")
        for name, least, most in (
            ("late_seconds", 1, _LONGEST_DELAY_SECONDS),
            ("window", 1, _LARGEST_WINDOW),
            ("seed", 0, 2**63),
        ):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
                raise InvalidFaultsError(f"{name} is a whole number from {least} to {most}, not {number!r}")

    @classmethod
    def of(cls, settings: dict[str, Any]) -> StreamFaults:
        """Make them of a JSON object with these names.

        Raises:
            InvalidFaultsError: A name or a value is none that exists.
        """
        known = [one.name for one in fields(cls)]
        for name in settings:
            if name not in known:
                raise InvalidFaultsError(f"there is no setting {name!r} of stream faults; there are {', '.join(known)}")
        return cls(**settings)

    @classmethod
    def parse(cls, text: str) -> StreamFaults:
        """Make them of text such as `repeats=0.1,unit=second,seed=7`.

        Raises:
            InvalidFaultsError: The text is none like that, or a name or a value is none that exists.
        """
        try:
            return cls.of(settings_in(text))
        except NoValueError as error:
            raise InvalidFaultsError(
                f"stream faults are written name=value,name=value; {str(error)!r} has no value"
            ) from None

    @property
    def any(self) -> bool:
        """Whether there is any fault at all."""
        return bool(self.repeats or self.reorders or self.late or self.losses or self.coarse_times)

    def settings(self) -> dict[str, Any]:
        """The settings as a JSON object."""
        return asdict(self)

    def time_of(self, changed_at_us: int) -> int:
        """Return the time that a change carries, epoch microseconds: its own, or the beginning of its unit."""
        unit = _UNITS_US[self.unit]
        number = changed_at_us // unit
        is_coarse = self.coarse_times > 0 and random.Random(f"{self.seed} {number}").random() < self.coarse_times
        return number * unit if is_coarse else changed_at_us


@dataclass
class FaultCounts:
    """How often a stream did something wrong, in records.

    Attributes:
        repeated: Put a second time.
        overtaken: Held back for later records.
        late: Held back for a time.
        lost: Never put.
        coarse: Put with a time that is not the change's own.
    """

    repeated: int = 0
    overtaken: int = 0
    late: int = 0
    lost: int = 0
    coarse: int = 0


class FaultyOrder(Generic[Record]):
    """The order in which the records of one stream arrive.

    Args:
        faults: What to do wrong.
        name: Name of the stream: others have other faults at the same seed.
        counts: Counts what was done.
    """

    def __init__(self, faults: StreamFaults, name: str, counts: FaultCounts) -> None:
        self.faults = faults
        self.counts = counts
        self._random = random.Random(f"{faults.seed} {name}")
        self._position = 0
        self._tie = itertools.count()
        self._waiting: list[tuple[int, int, Record]] = []
        self._late: deque[tuple[float, Record]] = deque()

    @property
    def is_holding(self) -> bool:
        """Whether there are records that wait to be overtaken, or for their repeat."""
        return bool(self._waiting)

    @property
    def next_late(self) -> float | None:
        """When the next late record is due, epoch seconds; None: there is none."""
        return self._late[0][0] if self._late else None

    def put(self, record: Record, now: float) -> list[Record]:
        """Take the next record, and return those that arrive now.

        Args:
            record: The record.
            now: The time, epoch seconds.
        """
        faults = self.faults
        # the same number of draws for each record, whatever comes of them
        lost, overtaken, repeated, late = (self._random.random() for _ in range(4))
        delays = [self._random.randint(1, faults.window) for _ in range(2)]
        self._position += 1
        arrived = self.due(now)
        if lost < faults.losses:
            self.counts.lost += 1
        else:
            if late < faults.late:
                self.counts.late += 1
                self._late.append((now + faults.late_seconds, record))
            elif overtaken < faults.reorders:
                self.counts.overtaken += 1
                self._hold(record, delays[0])
            else:
                arrived.append(record)
            if repeated < faults.repeats:
                self.counts.repeated += 1
                self._hold(record, delays[1])
        while self._waiting and self._waiting[0][0] <= self._position:
            arrived.append(heapq.heappop(self._waiting)[2])
        return arrived

    def due(self, now: float) -> list[Record]:
        """Return the late records whose time has come.

        Args:
            now: The time, epoch seconds.
        """
        arrived = []
        while self._late and self._late[0][0] <= now:
            arrived.append(self._late.popleft()[1])
        return arrived

    def overtaken(self) -> list[Record]:
        """Return all records that wait for others, as if these had come."""
        arrived = [record for _, _, record in sorted(self._waiting, key=lambda one: one[:2])]
        self._waiting.clear()
        return arrived

    def flush(self) -> list[Record]:
        """Return all records that have yet to arrive, whatever they wait for."""
        return self.overtaken() + self.due(math.inf)

    def _hold(self, record: Record, delay: int) -> None:
        heapq.heappush(self._waiting, (self._position + delay, next(self._tie), record))
