"""What a view's SQL depends on beside the declaration and the names."""

from __future__ import annotations

from dataclasses import dataclass

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.item_columns import ItemColumn


@dataclass(frozen=True)
class ViewInputs:
    """What a view's SQL depends on beside the declaration and the names.

    Attributes:
        baseline: The newest verified baseline, if there is one: bounds what the views of state read.
        item_columns: Attributes that `latest_item_state` has as typed columns.
        other_change_table: The change table of the other format, where it holds something; empty: it does not.
        as_of_us: Leave out what changed after this moment, epoch microseconds; None: the state is that of now.
        since_us: Leave out what changed before this moment, epoch microseconds, and the hours before; None: nothing.
            Every change since is there, so what is said of these is what the whole view says of them, but for what
            rests on the changes before: which items exist and since when, and that an item is undecided whose changes
            since lead back to where they began.

    Raises:
        ValueError: The baseline was taken after the moment that is asked for, so it knows the future; or there is one
            beside a moment since when changes count, which would leave out those between both.
    """

    baseline: Baseline | None = None
    item_columns: tuple[ItemColumn, ...] = ()
    as_of_us: int | None = None
    other_change_table: str = ""
    since_us: int | None = None

    def __post_init__(self) -> None:
        if self.baseline is not None and self.as_of_us is not None and self.baseline.as_of_us > self.as_of_us:
            raise ValueError(
                f"baseline {self.baseline.baseline_id} was taken at {self.baseline.as_of_us}, "
                f"after the moment that is asked for, {self.as_of_us}"
            )
        if self.baseline is not None and self.since_us is not None:
            raise ValueError(f"baseline {self.baseline.baseline_id} says what was before {self.since_us}")


NOTHING_KNOWN = ViewInputs()
