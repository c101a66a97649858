"""The command `replay`."""

from __future__ import annotations

import click

from ddb_pipeline.cli.commands.options import examples, pipeline_option


@click.command(epilog=examples("ddb-pipeline replay", "ddb-pipeline replay --most-replays 4"))
@pipeline_option("Pipeline whose failed deliveries are replayed")
@click.option("--most-replays", default=3, show_default=True, type=click.IntRange(1, 100),
              help="A record that was put on the stream as often as this, and failed each time, stays.")  # fmt: skip
@click.option("--most-objects", default=1000, show_default=True, type=click.IntRange(1, 100_000),
              help="Objects to replay at most, the oldest first.")  # fmt: skip
def replay(pipeline_name: str | None, most_replays: int, most_objects: int) -> None:
    """Put records that could not be delivered on the stream again.

    Firehose writes what the converter refused below errors/. When the cause is mended, this puts those records on the
    Kinesis stream, so that they take the normal path, and tags each object with its receipt. Repeated, it finds nothing
    to do. Exits 1 when records stay, with the reason of each object.
    """
    from ddb_pipeline.cli.replay import run_replay

    run_replay(pipeline_name=pipeline_name, most_replays=most_replays, most_objects=most_objects)
