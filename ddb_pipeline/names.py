"""Names of what is deployed: computed from pipeline and stage, or published by the stack in one SSM parameter.

Explicit names suit what policies and people must know beforehand (database, crawler, workgroup); buckets and the
table get theirs from CloudFormation. `infra_cdk` writes the parameter, everything else reads it.
Standard library only.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields

PROJECT = "ddb-change-analytics"

DEPLOYMENT_TAG = "deployment"
"""Tag with the stack's name on everything in it: the budget counts costs by it, so it must mean this stack alone."""

EMPTIED_TAG = f"{PROJECT}:emptied-with-its-stack"
"""Tag without which nothing empties a bucket; `functions/custom_resources/bucket_emptier.py` reads it too."""

ITEM_COLUMNS_KEY = "catalog/item_columns.json"
"""Object in the raw bucket that remembers which attributes of items are columns of the views."""

CAPTURE_KEY = "capture.json"
"""Object in the raw bucket that remembers since when the table's changes are captured without a gap, as far as seen."""


class PublishedNamesError(Exception):
    """The SSM parameter does not hold what this version of the project reads."""


@dataclass(frozen=True)
class ComputedNames:
    """Names that follow from pipeline and stage alone."""

    pipeline: str
    stage: str

    @property
    def stack(self) -> str:
        """CloudFormation stack (dashes only: it allows no underscores)."""
        return f"{PROJECT}-{self.stage}-{self.pipeline.replace('_', '-')}"

    @property
    def parameter(self) -> str:
        """SSM parameter with `PublishedNames`."""
        return f"/{PROJECT}/{self.stage}/{self.pipeline}"

    @property
    def database(self) -> str:
        """Glue database (lower case and underscores, as Athena wants it)."""
        return f"ddb_{self.stage}_{self.pipeline}"

    @property
    def resource(self) -> str:
        """Name of the pipeline's one workgroup, one key alias and so on."""
        return f"{PROJECT}-{self.stage}-{self.pipeline}"

    def function(self, suffix: str) -> str:
        """Lambda function whose own policy names it, which leaves 10 of Lambda's 64 characters for the suffix."""
        return f"ddb-{self.stage}-{self.pipeline}-{suffix}"

    def crawler(self, file_format: str) -> str:
        """Name of the crawler on the change table of a format, json or parquet."""
        return self.resource if file_format == "json" else f"{self.resource}-{file_format}"


@dataclass(frozen=True)
class ChangeTable:
    """A catalog table of change rows, and where its raw objects are.

    Attributes:
        name: Name of the table in the pipeline's database.
        prefix: Prefix of its raw objects in the raw bucket, with a `/` at its end; the same in no two tables.
        format: What the raw objects are: json or parquet.
        crawler: Crawler that registers its hours; empty: none does, Athena projects them.
    """

    name: str
    prefix: str
    format: str
    crawler: str

    @property
    def is_projected(self) -> bool:
        """Whether Athena computes the hours of the table: then none is registered in the catalog."""
        return self.crawler == ""


@dataclass(frozen=True)
class PublishedNames:
    """What the stack publishes: every name that the pipeline needs at run time."""

    pipeline: str
    stage: str
    account: str
    region: str
    table: str
    change_stream: str
    delivery_stream: str
    raw_bucket: str
    changes_prefix: str
    errors_prefix: str
    results_bucket: str
    database: str
    change_table: str
    crawler: str
    workgroup: str
    item_loader: str
    """Function that fills a table which the stack made; empty where it streams one that existed."""
    key_arn: str
    baseline_converter: str = ""
    """Function that makes rows of a baseline of exported items; empty where baselines are not exports."""
    alarm_topic: str = ""
    """ARN of the topic that alarms publish to; empty where the stage has none."""
    format: str = "json"
    """What Firehose writes now, below `changes_prefix`: json or parquet."""
    other_format: str = ""
    """The other format, in which it wrote before or may write later; the table and what belongs to it:"""
    other_change_table: str = ""
    other_changes_prefix: str = ""
    other_crawler: str = ""

    @property
    def change_tables(self) -> tuple[ChangeTable, ...]:
        """The table that Firehose fills now, then the one of the other format: a pipeline may have data in both."""
        now = ChangeTable(self.change_table, self.changes_prefix, self.format, self.crawler)
        if not self.other_change_table:
            return (now,)
        other = ChangeTable(self.other_change_table, self.other_changes_prefix, self.other_format, self.other_crawler)
        return (now, other)

    @property
    def streaming_command(self) -> str:
        """The command that lets the table stream to the change stream again, with microseconds."""
        partition = self.key_arn.split(":")[1]
        return (
            f"aws dynamodb enable-kinesis-streaming-destination --table-name {self.table} "
            f"--stream-arn arn:{partition}:kinesis:{self.region}:{self.account}:stream/{self.change_stream} "
            "--enable-kinesis-streaming-configuration ApproximateCreationDateTimePrecision=MICROSECOND"
        )

    def to_json(self) -> str:
        """The parameter's value: one JSON object."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> PublishedNames:
        """Read the parameter's value; names that this version does not know are passed over.

        Raises:
            PublishedNamesError: It is not a JSON object of text values, or a name is missing.
        """
        try:
            values = json.loads(text)
        except ValueError:
            raise PublishedNamesError(f"is not JSON: {text[:80]!r}") from None
        wanted = [field.name for field in fields(cls)]
        if isinstance(values, dict):
            values = {field.name: field.default for field in fields(cls) if field.default is not MISSING} | values
        missing = [name for name in wanted if not isinstance(values, dict) or not isinstance(values.get(name), str)]
        if missing:
            raise PublishedNamesError(
                f"lacks {', '.join(missing)}: the stack is of another version of this project, deploy it again"
            )
        return cls(**{name: values[name] for name in wanted})
