"""Who is told of a run that failed. The resource `notifier` of the definitions is one of these, or one of your own."""

from __future__ import annotations

from abc import ABC, abstractmethod

from dagster import ConfigurableResource
from pydantic import Field

from ddb_pipeline.errors import AwsError, AwsSettingsError, NotDeployedError, PipelineError, SettingsError
from ddb_pipeline.resources.aws import PipelineAwsResource, make_client
from ddb_pipeline.run_failures.described import RunFailure


class Notifier(ConfigurableResource, ABC):  # type: ignore[type-arg]  # the parameter is for resources that hand out another type
    """Tells somebody of a run that failed, beyond Dagster's log, where the sensor tells it in any case."""

    @abstractmethod
    def notify(self, failure: RunFailure) -> str:
        """Tell of a failure.

        Args:
            failure: What failed, and why.

        Returns:
            Whom it was told, in words for the log.

        Raises:
            Exception: It could not be told. The sensor's tick fails with it, where the failure is told as well.
        """


class LogNotifier(Notifier):
    """Tells nobody: the log has it."""

    def notify(self, failure: RunFailure) -> str:  # noqa: ARG002 - its signature
        """Do nothing."""
        return "told in the log alone"


class TopicNotifier(Notifier):
    """Publishes to the SNS topic that the alarms of a pipeline's stack publish to; without one, the log has to do."""

    declaration_file: str = Field(description="Path of pipeline.toml; `.env` is looked for beside it.")

    def notify(self, failure: RunFailure) -> str:
        """Publish a failure once to each topic of its pipelines, whatever becomes of the others.

        Raises:
            AwsError: A topic cannot be found out, or takes no message; the others have been told.
        """
        aws = PipelineAwsResource(declaration_file=self.declaration_file)
        told: list[str] = []
        not_told: dict[str, None] = {}
        for pipeline in failure.pipelines:
            try:
                # a pipeline that pipeline.toml says something wrong of has its topic all the same
                with aws.stack(pipeline, hurried=True) as (settings, names):
                    topic = names.alarm_topic
                    if topic and topic not in told:
                        client = make_client("sns", settings.connection, hurried=True)
                        client.publish(TopicArn=topic, Subject=failure.subject, Message=failure.text)
                        told.append(topic)
            except AwsSettingsError as error:
                # there is a stage, and perhaps a topic: nobody has been told
                not_told[str(error)] = None
            except (SettingsError, NotDeployedError):
                # no stage, or no stack, so no topic either; this is most likely what the run failed of
                continue
            except PipelineError as error:
                not_told[str(error)] = None
        if not_told:
            raise AwsError("; ".join([*not_told, f"published to {', '.join(told) or 'no topic'}"]))
        return f"published to {', '.join(told)}" if told else "told in the log alone: the stage has no topic of alarms"
