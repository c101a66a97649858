"""Repair of the views, and of the memory that says which attributes are their columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from dagster import materialize

from ddb_pipeline.assets.item_attributes import item_attributes_asset, views_with_columns
from ddb_pipeline.assets.view_inputs import view_inputs
from ddb_pipeline.baselines import Baseline
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.item_columns import ItemColumn
from ddb_pipeline.item_columns.learning import item_columns
from ddb_pipeline.repair.findings import Finding
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.view_sql import View, ViewInputs, create_view_statement, views


@dataclass(frozen=True)
class ViewRepair:
    """Looks at the views of a pipeline.

    Attributes:
        deployment: The pipeline on its stage.
        aws: What Dagster's assets find the pipeline with.
        every_view: Make every view again, whatever it says.
    """

    deployment: Deployment
    aws: PipelineAwsResource
    every_view: bool

    def columns(self) -> Iterator[Finding]:
        """The memory of the attributes of items, when it is gone or broken."""
        stored = self.deployment.column_memory.read()
        if stored.memory is None:
            yield Finding(
                f"{self.deployment.column_memory.uri}, which holds the columns of the views, "
                f"{stored.broken or 'is not there'}",
                "made again from all hours, which takes one query over all changes",
                self._look_for_attributes,
            )

    def views(self) -> Iterator[Finding]:
        """Views that are not there, or not what the SQL says as far as that can be told."""
        memory = self.deployment.column_memory.read().memory
        known = None if memory is None else item_columns(memory, self.deployment.pipeline)
        baseline = self._baseline()
        for view in views(self.deployment.pipeline, ViewInputs(item_columns=known or ())):
            what = f"view {self.deployment.names.database}.{view.name}"
            if wrong := self._wrong(view, known, baseline):
                yield Finding(f"{what} {wrong}", "made from its SQL", partial(self._make, view.name))
            elif self.every_view:
                yield Finding(f"{what} is asked for", "made from its SQL", partial(self._make, view.name))

    def _wrong(self, view: View, known: tuple[ItemColumn, ...] | None, baseline: Baseline | None) -> str | None:
        """What is wrong with a view; None: nothing that can be told.

        Athena may write down the text of a view in another form than ours, so that texts are not compared.
        """
        described = self.deployment.catalog.table(view.name)
        if described is None:
            return "is not in the Glue catalog"
        if known is None and view.name in views_with_columns(self.deployment.pipeline):
            return None  # nobody knows its columns before the memory is mended
        found = [str(column["Name"]).lower() for column in described.get("StorageDescriptor", {}).get("Columns", [])]
        if found != [column.name.lower() for column in view.columns]:
            return "has other columns than its SQL"
        other = self.deployment.other_change_table
        inputs = ViewInputs(baseline=baseline, item_columns=known or (), other_change_table=other)
        statement = create_view_statement(view, self.deployment.pipeline, self.deployment.names, inputs)
        reads = {other: f"does not read table {other}"} if other else {}
        if baseline is not None:
            reads[baseline.baseline_id] = f"does not start from the newest baseline, {baseline.baseline_id}"
        text = self.deployment.catalog.view_text(view.name) if reads else ""
        return next((wrong for name, wrong in reads.items() if name in statement and name not in text), None)

    def _baseline(self) -> Baseline | None:
        if self.deployment.pipeline.baseline == "none":
            return None
        manifest = newest(self.deployment.baselines.manifests())
        return manifest.baseline if manifest else None

    def _make(self, name: str) -> None:
        pipeline, inputs = self.deployment.pipeline, view_inputs(self.deployment, name)
        (view,) = [one for one in views(pipeline, inputs) if one.name == name]
        self.deployment.athena.execute(create_view_statement(view, pipeline, self.deployment.names, inputs))

    def _look_for_attributes(self) -> None:
        """Run the asset that does it, in an instance of Dagster that is forgotten at once."""
        asset = item_attributes_asset(self.deployment.pipeline)
        quietly = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        done = materialize([asset], resources={"aws": self.aws}, run_config=quietly, raise_on_error=False)
        if not done.success:
            failed = [event.step_failure_data for event in done.all_events if event.is_step_failure]
            reasons = [data.user_failure_data.description for data in failed if data.user_failure_data]
            raise PipelineError(
                "; ".join(filter(None, reasons)) or f"{asset.key.to_user_string()} failed: materialize it"
            )
