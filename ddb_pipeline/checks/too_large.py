"""What a check says whose query scans more than the workgroup allows: that it did not look, and what to do."""

import functools
from collections.abc import Callable, Iterator

from dagster import AssetCheckExecutionContext, AssetCheckKey, AssetCheckResult, AssetCheckSeverity, Failure

from ddb_pipeline.checks.verdict import Verdict, last_evaluation
from ddb_pipeline.resources.athena_queries import AthenaQueryError
from ddb_pipeline.resources.aws import PipelineAwsResource

Check = Callable[[AssetCheckExecutionContext, PipelineAwsResource], Iterator[AssetCheckResult]]


def told_when_too_large(key: AssetCheckKey, remembers: str | None = None) -> Callable[[Check], Check]:
    """Let a check be a warning, and not a failed run, where its query passes the limit of scanned bytes.

    The run would fail each day, whatever else it did, for something that only a baseline or another limit mends.

    Args:
        key: Key of the check.
        remembers: Name of the metadata that the check reads from its last verdict: the warning is the last one next
            time, so it carries on what was there.
    """

    def decorate(check: Check) -> Check:
        @functools.wraps(check)
        def checked(context: AssetCheckExecutionContext, aws: PipelineAwsResource) -> Iterator[AssetCheckResult]:
            try:
                yield from check(context, aws)
            except Failure as failure:
                error = failure.__cause__
                if not isinstance(error, AthenaQueryError) or not error.cut_off:
                    raise
                last = last_evaluation(context.instance, key) if remembers else None
                kept = {name: value for name, value in last.metadata.items() if name == remembers} if last else {}
                yield Verdict(f"not checked: {error}", kept, AssetCheckSeverity.WARN).result(key)

        return checked

    return decorate
