"""What a verification compares, and when that is right. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ddb_pipeline.cli.verification.report import Report


@dataclass(frozen=True)
class Bounds:
    """How many changes were made: not one number, as AWS does not say what becomes of some writes.

    Attributes:
        least: Changes that were made whatever AWS does.
        most: These, and all that may have been made.
        told: What they are made of, in words.
    """

    least: int
    most: int
    told: str


@dataclass(frozen=True)
class Agreement:
    """How far the views agreed with the table when the verification stopped waiting for it.

    Attributes:
        items: Items in the table.
        differing: Items that are not in latest_item_state as in the table.
        rows: Rows of latest_item_state.
        keys: Different keys in them.
        counted: Changes in change_counts.
    """

    items: int
    differing: int
    rows: int
    keys: int
    counted: int

    def is_reached(self, least: int) -> bool:
        """Whether there is nothing to wait for.

        Args:
            least: How many changes must have arrived: an item that came and went in one batch shows in no state.
        """
        return self.differing == 0 and self.rows == self.keys and self.counted >= least


@dataclass(frozen=True)
class Measured:
    """What a refresh that measures, as one a day does, told.

    Attributes:
        views: How many views it counted and previewed.
        checks: By name of a check: whether it passed.
    """

    views: int
    checks: Mapping[str, bool]


def compare_first(report: Report, agreement: Agreement) -> None:
    """Note how table and views compared after the first refresh, before the hour passed.

    Args:
        report: Takes it.
        agreement: Without the item whose change may be too large for the stream.
    """
    report.add(
        "latest_item_state and a scan of the table, first",
        f"{agreement.items} items, {agreement.differing} differ, {agreement.rows} rows of {agreement.keys} keys",
        right=bool(agreement.items) and agreement.is_reached(0),
    )


def compare_measured(report: Report, measured: Measured, *, views: int, judged_elsewhere: Collection[str]) -> None:
    """Note what the measuring refresh told.

    Args:
        report: Takes it.
        measured: What it told.
        views: How many views it was to measure.
        judged_elsewhere: Checks that may fail here, as the report compares what they look at by itself.
    """
    failed = sorted(name for name, passed in measured.checks.items() if not passed)
    report.add(
        "row counts, previews and checks of a daily refresh",
        f"{measured.views} of {views} views measured; {len(measured.checks) - len(failed)} of {len(measured.checks)} "
        "checks passed" + "".join(f"; {name} failed" for name in failed),
        right=measured.views == views and bool(measured.checks) and set(failed) <= set(judged_elsewhere),
    )


def compare(
    report: Report,
    agreement: Agreement,
    bounds: Bounds,
    *,
    hours: int,
    after_crawl: Mapping[str, str],
    at_end: Mapping[str, str],
) -> None:
    """Note how views, table and what was written compare.

    Args:
        report: Takes it.
        agreement: Of the last refresh.
        bounds: How many changes were made.
        hours: Hours that the change table has rows of.
        after_crawl: What each view said before it could be made anew, as `Evidence.view_answers` has it; empty where
            nothing was crawled.
        at_end: Likewise, after the last refresh.
    """
    report.add(
        "latest_item_state and a scan of the table",
        f"{agreement.items} items, {agreement.differing} differ",
        right=not agreement.differing,
    )
    report.add(
        "one row an item in latest_item_state",
        f"{agreement.rows} rows of {agreement.keys} keys",
        right=agreement.rows == agreement.keys,
    )
    report.add(
        "change_counts and what was written",
        f"{agreement.counted} changes; {bounds.least} to {bounds.most} were made: {bounds.told}",
        right=bounds.least <= agreement.counted <= bounds.most,
    )
    report.add("hours that Athena reads", str(hours), right=hours > 1)
    # a view that failed after the crawl has failed, whatever it says after it was made anew
    said = {name: after_crawl.get(name) or text for name, text in at_end.items()}
    failed = {name: text for name, text in said.items() if text}
    report.add(
        "every view answers",
        f"{len(said) - len(failed)} of {len(said)}" + "".join(f"; {name}: {text}" for name, text in failed.items()),
        right=bool(said) and not failed,
    )
