"""The local stage for a benchmark: the project's own pipeline.toml, deployed to a local AWS of this process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ddb_pipeline.cli import local_stack
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline_tests import deployed


@contextmanager
def local_stage() -> Iterator[deployed.Deployed]:
    """Synthesize, start, deploy, make the views; all of it is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        declaration = load_declaration()
        assembly = local_stack.synthesize(declaration, Path(folder) / "cdk.out")
        with deployed.local_stage(declaration, assembly, Path(folder)) as stage:
            for pipeline in stage.names:
                stage.make_views(pipeline)
            yield stage
