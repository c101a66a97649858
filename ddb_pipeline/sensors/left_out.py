"""The sensor that is there while pipelines are left out: its ticks fail, and say why.

A pipeline of which `pipeline.toml` says something wrong does not stop the others. It has no definitions then, as if
somebody had taken it away; what fails instead is this.
"""

from __future__ import annotations

from pathlib import Path

from dagster import DefaultSensorStatus, SensorDefinition, SkipReason, sensor

from ddb_pipeline.declaration import Declaration, DeclarationError, load_declaration

NAME = "pipelines_left_out"
_PAUSE_SECONDS = 60


class PipelinesLeftOut(Exception):  # noqa: N818 - the UI shows the name before the message
    """Pipelines of `pipeline.toml` have no definitions; the message says which, why, and what to do."""


def left_out_sensor(declaration: Declaration) -> SensorDefinition:
    """Return the sensor.

    It is on in each stage: it starts nothing and costs nothing.

    Args:
        declaration: Pipelines, and those that are left out.
    """

    @sensor(
        name=NAME,
        minimum_interval_seconds=_PAUSE_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Its ticks fail while pipelines are left out because pipeline.toml says something wrong of them.",
    )
    def pipelines_left_out() -> SkipReason:
        path: Path = declaration.path
        try:
            wrong = load_declaration(path, leave_out_wrong=True).left_out
        except DeclarationError as error:
            raise PipelinesLeftOut(str(error)) from None
        if wrong:
            raise PipelinesLeftOut(
                "\n".join(str(error) for error in wrong.values())
                + f"\nLeft out: {', '.join(wrong)}. Correct the file, then reload the definitions (under Deployment). "
                "What is deployed goes on: changes arrive in S3, and the next refresh finds them all."
            )
        return SkipReason(f"{path} is right again: reload the definitions to have {', '.join(declaration.left_out)}")

    return pipelines_left_out
