"""A local AWS as an account is when only `cdk bootstrap` has been run in it: `python -m ... DIRECTORY`."""

from __future__ import annotations

import sys
from pathlib import Path

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.interrupts import terminated_as_interrupt
from ddb_pipeline.local_aws.deployment import bootstrap
from ddb_pipeline.local_aws.server import LocalAws

if __name__ == "__main__":
    with terminated_as_interrupt(), LocalAws(directory=Path(sys.argv[1])) as server:
        bootstrap(server.endpoint, local_stack.REGION)
        print(f"serves at {server.endpoint} .", flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            print("stopped", flush=True)
