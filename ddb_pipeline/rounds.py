"""How the arrivals sensor reads the raw objects: in rounds, each a few pages of LIST a tick. Pure.

Keys of raw objects sort by time, and LIST starts after any key. So a reading is one position that moves through the
keys: it stops when its share of a tick is used up, goes on there at the next tick, and begins anew when it is through.
No name of an object is interpreted: an object that is late, of another version of the delivery stream (whose names sort
anywhere: `-10-` before `-9-`), written in the same second as another, replaced or deleted is met when the reading
comes by. Four readings share a tick:

| round | hours | share of a tick |
|---|---|---|
| new | after the newest hour known | up to 100 pages and 200 hours |
| look-back | the newest hour known and three before it | up to 4 pages |
| week | seven days before these | 1 page, a day's hours at most |
| history | all that is older | 1 page, a day's hours at most |

A page has up to a thousand objects and is one request; two where a pipeline has data in two formats, whose prefixes are
read side by side, because an hour may be below both. So a tick without anything new costs four pages, and seven where
an hour holds many thousand objects: such an hour is then read over several ticks (100,000 objects: 100 pages, 25
ticks), and is reported when it was read to its end. What arrives behind the position meanwhile is met in the next
round. The alternative, to remember per version of the stream where its names ended, costs less for such an hour but
passes over late and deleted objects until something reads it whole all the same; and an hour of the catalog needs no
haste, because Athena reads its new objects without a crawl.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ddb_pipeline.arrivals import LOOK_BACK, WEEK, HourContent, hour_of, hour_of_key, partition_key
from ddb_pipeline.readings import Position, Reading, Share, Span, after_hour, before_hour

_CURSOR_VERSION = 2
_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Cursor:
    """What the arrivals sensor remembers between two ticks.

    Attributes:
        watermark: Newest hour that was read to its end; None before the first.
        positions: By name of a round that is not through: where it goes on.
    """

    watermark: datetime | None = None
    positions: Mapping[str, Position] = field(default_factory=dict)

    def to_json(self) -> str:
        """Write the cursor as Dagster stores it: at most a few kilobytes."""
        return json.dumps(
            {
                "version": _CURSOR_VERSION,
                "watermark": partition_key(self.watermark) if self.watermark else None,
                "positions": {name: _position_to_json(position) for name, position in self.positions.items()},
            }
        )

    @classmethod
    def from_json(cls, text: str | None) -> Cursor:
        """Read a stored cursor; one that this version cannot read starts anew, which repeats work but loses nothing.

        Of a cursor of version 1 the watermark holds on; where it swept does not matter, rounds begin anew.
        """
        try:
            values = json.loads(text or "")
            if values["version"] not in {1, _CURSOR_VERSION}:
                return cls()
            watermark = hour_of_key(values["watermark"]) if values["watermark"] else None
            stored = values["positions"] if values["version"] == _CURSOR_VERSION else {}
            return cls(watermark, {name: _position_of_json(stored[name]) for name in ROUNDS if name in stored})
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return cls()


NEW, AGAIN = "new", ("look_back", "week", "history")
ROUNDS = (NEW, *AGAIN)
SHARES: Mapping[str, Share] = {
    NEW: Share(pages=100, hours=200),
    "look_back": Share(pages=4, hours=24),
    "week": Share(pages=1, hours=24),
    "history": Share(pages=1, hours=24),
}


def spans(watermark: datetime | None, now: datetime) -> Mapping[str, Span]:
    """Return the spans of the rounds; without a watermark everything is new.

    Args:
        watermark: Newest hour that was read to its end.
        now: Time of the tick. What is later is not read: nothing can be known to follow it.
    """
    end = after_hour(hour_of(now))
    if watermark is None:
        return {NEW: Span("", end)}
    # a clock that went wrong and was set right must not leave a watermark behind which all that arrives is hidden
    newest = min(watermark, hour_of(now))
    recent, likely = before_hour(newest - LOOK_BACK), before_hour(newest - LOOK_BACK - WEEK)
    return {
        NEW: Span(after_hour(newest), end),
        "look_back": Span(recent, after_hour(newest)),
        "week": Span(likely, recent),
        "history": Span("", likely),
    }


def next_cursor(cursor: Cursor, readings: Mapping[str, Reading], now: datetime) -> Cursor:
    """Return the cursor after a tick.

    Args:
        cursor: The cursor before it.
        readings: By name of a round: what it read. Rounds that did not read stay where they are.
        now: Time of the tick. An hour of the future never becomes the watermark, it would hide all that arrive.
    """
    reached = [content.hour for content in readings[NEW].contents] if NEW in readings else []
    if cursor.watermark:
        reached.append(min(cursor.watermark, hour_of(now)))
    positions = {name: position for name, position in cursor.positions.items() if name not in readings}
    positions |= {
        name: replace(reading.rest, since=_since(reading.rest, cursor.positions.get(name), now))
        for name, reading in readings.items()
        if reading.rest
    }
    return Cursor(max(reached, default=None), positions)


def begun_before(cursor: Cursor) -> Mapping[datetime, datetime]:
    """Return the hours that earlier ticks began to read and none has read to its end, and when they did.

    Args:
        cursor: The cursor before a tick. One of an earlier version does not say when: then it may have been long ago.
    """
    begun = (position for position in cursor.positions.values() if position.begun)
    return {position.begun.hour: position.since or _LONG_AGO for position in begun if position.begun}


def _since(rest: Position, before: Position | None, now: datetime) -> datetime | None:
    """When the reading of the hour began in which a round stopped."""
    if rest.begun is None:
        return None
    goes_on = before is not None and before.begun is not None and before.begun.hour == rest.begun.hour
    return before.since if before and goes_on else now


def _position_to_json(position: Position) -> dict[str, Any]:
    begun = position.begun
    if begun is None:
        return {"after": position.after}
    first = {prefix: at.timestamp() for prefix, at in begun.first_written.items()}
    values = [begun.objects, begun.size, begun.oldest.timestamp(), begun.newest.timestamp(), first]
    since = position.since.timestamp() if position.since else None
    return {"after": position.after, "hour": partition_key(begun.hour), "begun": values, "since": since}


def _position_of_json(values: Any) -> Position:
    if "hour" not in values:
        return Position(str(values["after"]))
    objects, size, oldest, newest, first = values["begun"]
    first_written = {str(prefix): datetime.fromtimestamp(at, UTC) for prefix, at in first.items()}
    span = datetime.fromtimestamp(oldest, UTC), datetime.fromtimestamp(newest, UTC)
    begun = HourContent(hour_of_key(values["hour"]), int(objects), int(size), span[0], span[1], first_written)
    since = values.get("since")
    return Position(str(values["after"]), begun, datetime.fromtimestamp(since, UTC) if since else None)
