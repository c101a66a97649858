"""Each view held against the lives: a list of what is wrong, empty when nothing is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

from ddb_pipeline.cli.table_scan import key_text
from ddb_pipeline_tests.proof.delivered import Ask, Delivered, comparable

Hold = Callable[[Ask, Delivered], list[str]]
HOUR_US = 3_600_000_000


def latest_item_state(ask: Ask, delivered: Delivered) -> list[str]:
    """One row per item that exists, with its last image; uncertain where the changes cannot tell, and only there."""
    rows = ask("SELECT item_key, image, state_certain FROM latest_item_state")
    return states(rows, delivered, {key: steps[-1].step.after for key, steps in delivered.lives.items() if steps})


def states(rows, delivered: Delivered, expected) -> list[str]:
    """Rows (item_key, image, certain) against the image of each key; None is absence."""
    undecidable = delivered.undecidable()
    wrong = [f"two rows of {key}" for key, count in Counter(row[0] for row in rows).items() if count > 1]
    found = {key_text(json.loads(row[0])): (comparable(row[1]), row[2]) for row in rows}
    for key, image in expected.items():
        text, certain = found.pop(key, (comparable(None), True))
        if certain and text != json.dumps(image, sort_keys=True):
            wrong.append(f"{key} is {image}, the view says {text}")
        if not certain and key not in undecidable:
            wrong.append(f"{key} can be told, the view calls it uncertain")
    return wrong + [f"nobody wrote {key}" for key in found]


def change_counts(ask: Ask, delivered: Delivered) -> list[str]:
    """Each change counts once, in the hour of its time."""
    expected: Counter[tuple[int, str, bool]] = Counter()
    items: dict[tuple[int, str, bool], set[str]] = {}
    for key, steps in delivered.lives.items():
        for timed in steps:
            place = (timed.at_us // HOUR_US, timed.step.event_name, timed.step.by_time_to_live)
            expected[place] += 1
            items.setdefault(place, set()).add(key)
    rows = ask(
        "SELECT to_unixtime(changed_hour), event_name, expired_by_ttl, changes, distinct_items FROM change_counts"
    )
    found = {(int(hour) // 3600, name, expired): counts for hour, name, expired, *counts in rows}
    wanted = {place: [count, len(items[place])] for place, count in expected.items()}
    return [] if found == wanted else [f"counts are {found}, should be {wanted}"]


VIEWS: dict[str, Hold] = {"latest_item_state": latest_item_state, "change_counts": change_counts}
