"""What all checks that scan data share: when they look, and what they say when they may not look."""

from collections.abc import Callable, Iterable, Iterator

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from ddb_pipeline.assets.common import QUERY_POOL, RETRY_TRANSIENT, failing_plainly
from ddb_pipeline.assets.views import check_may_scan
from ddb_pipeline.checks.too_large import told_when_too_large
from ddb_pipeline.checks.verdict import Verdict
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource

Judge = Callable[[AssetCheckExecutionContext, Deployment], Verdict]


def scanning_check(
    pipeline: Pipeline,
    key: AssetCheckKey,
    description: str,
    judge: Judge,
    *,
    deps: Iterable[AssetKey] = (),
    remembers: str | None = None,
) -> AssetChecksDefinition:
    """Return a check that scans data: it follows `measure` of the stage, except when it is asked for by itself.

    Args:
        pipeline: The pipeline.
        key: Key of the check.
        description: What holds where it passes, for the UI.
        judge: Looks, and says what it saw.
        deps: Assets besides its own that are to be ready before.
        remembers: Name of the metadata that it reads from its last verdict.
    """

    # a multi-check may yield nothing: a check that did not look must not say that it passed
    @multi_asset_check(
        name=f"{pipeline.name}_{key.name}",
        specs=[AssetCheckSpec(key.name, asset=key.asset_key, additional_deps=list(deps), description=description)],
        can_subset=True,
        retry_policy=RETRY_TRANSIENT,
        pool=QUERY_POOL,
    )
    @told_when_too_large(key, remembers)
    def checked(context: AssetCheckExecutionContext, aws: PipelineAwsResource) -> Iterator[AssetCheckResult]:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            if not check_may_scan(context, deployment.stage):
                return
            verdict = judge(context, deployment)
        yield verdict.result(key)

    return checked
