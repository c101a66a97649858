"""The local stage for a benchmark: the project's own pipeline.toml, deployed to a local AWS of this process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ddb_pipeline.cli import local_stack
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.local_aws.deployment import deploy
from ddb_pipeline.local_aws.server import LocalAws
from ddb_pipeline_tests.deployed import Deployed


@contextmanager
def local_stage() -> Iterator[Deployed]:
    """Synthesize, start, deploy, make the views; all of it is gone afterwards."""
    declaration = load_declaration()
    with tempfile.TemporaryDirectory() as folder, LocalAws(directory=Path(folder)) as server:
        assembly = local_stack.synthesize(Path(folder) / "cdk.out")
        deploy(assembly, server.endpoint, local_stack.REGION)
        names = local_stack.published_names(declaration, server.endpoint)
        stage = Deployed(server.endpoint, declaration, names)
        for pipeline in names:
            stage.make_views(pipeline)
        yield stage
