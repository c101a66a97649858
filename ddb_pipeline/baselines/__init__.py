"""A baseline: the state of all items at one moment, which bounds what the views read.

Standard library only: `infra_cdk` declares the tables from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from ddb_pipeline.change_row import COLUMNS, Column

TABLE_NAME = "baselines"
"""Catalog table of complete, verified baselines, Parquet, in the pipeline's own database."""
CANDIDATE_TABLE = "baseline_candidates"
"""Catalog table over the same folders, where a baseline is written and verified before `baselines` knows of it."""
EXPORTED_TABLE = "exported_items"
"""Catalog table of a DynamoDB export's items as rows of a baseline, JSON lines, a partition per baseline."""

BASELINES_PREFIX = "baselines/"
"""Where in the raw bucket everything of baselines is, below it:"""
DATA_PREFIX = f"{BASELINES_PREFIX}data/"
"""the Parquet files, a folder per baseline; the location of both `baselines` and `baseline_candidates`;"""
MANIFESTS_PREFIX = f"{BASELINES_PREFIX}manifests/"
"""one JSON object per verified baseline: the truth, from which the catalog follows;"""
PENDING_PREFIX = f"{BASELINES_PREFIX}pending/"
"""one JSON object per baseline that is being made;"""
RETIRED_PREFIX = f"{BASELINES_PREFIX}retired/"
"""one empty object per baseline that is being deleted, named by its id;"""
EXPORTS_PREFIX = f"{BASELINES_PREFIX}exports/"
"""what DynamoDB exports; and"""
EXPORTED_PREFIX = f"{BASELINES_PREFIX}exported_items/"
"""what the function `baseline_converter` makes of that; the location of `exported_items`."""

CERTAIN_COLUMN = Column("state_certain", "boolean", "False where the changes left more than one possible state")
BASELINE_COLUMNS: tuple[Column, ...] = (*COLUMNS, CERTAIN_COLUMN)
BASELINE_PARTITION_COLUMNS: tuple[Column, ...] = (
    Column("baseline_id", "string", "Which baseline; ids sort by moment"),
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BaselineSource = Literal["export", "snapshot"]


@dataclass(frozen=True)
class Baseline:
    """A complete, verified baseline in the table `baselines`.

    Its rows have the shape of change rows, with `event_name` BASELINE: the state in `new_image`, `new_hash` and
    `new_item`, and one more column, `state_certain`. An item that has no row did not exist at that moment.
    `changed_at_us` and `event_id` are those of the change that made the state; where no change of it was seen (an
    export), they are the moment itself and null.

    Attributes:
        baseline_id: Value of the partition column `baseline_id`; ids sort by moment.
        source: A DynamoDB export, or a snapshot of our own state just before the moment.
        as_of_us: The moment T, epoch microseconds.
        margin_us: Changes of an item at or after T minus this margin decide its state; else the baseline does.
        first_hour_us: When the first hour of arrival begins that may hold changes since the cut, epoch microseconds;
            None: as `first_hour_since` says.
    """

    baseline_id: str
    source: BaselineSource
    as_of_us: int
    margin_us: int
    first_hour_us: int | None = None

    @property
    def cut_us(self) -> int:
        """T minus the margin: changes before it are not read, they are in the baseline."""
        return self.as_of_us - self.margin_us

    @property
    def first_hour(self) -> datetime:
        """First hour of arrival in which there may be changes since the cut."""
        return first_hour_since(self.cut_us) if self.first_hour_us is None else moment_of(self.first_hour_us)


def first_hour_since(moment_us: int) -> datetime:
    """Return the first hour of arrival in which there may be changes since a moment, as a rule.

    An hour is named after the arrival of the oldest record of an object, and a buffer spans up to 15 minutes: what
    arrived just after the moment may be in the hour before. When Firehose catches up, a buffer spans more
    (`baseline_making.backlog`).

    Args:
        moment_us: The moment, epoch microseconds.
    """
    return moment_of(moment_us).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)


def moment_of(epoch_us: int) -> datetime:
    """Return epoch microseconds as a moment in UTC."""
    return EPOCH + timedelta(microseconds=epoch_us)
