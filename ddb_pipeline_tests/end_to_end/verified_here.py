"""`ddb-pipeline verify` against a local AWS in the same process, where an hour passes when it is asked for.

`python -m ... STAGE PERSONS`, in a folder with pipeline.toml. The clock of this process is one that can be put forward.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import time_machine

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.verify import run_verify
from ddb_pipeline.local_aws.deployment import bootstrap
from ddb_pipeline.local_aws.server import LocalAws

if __name__ == "__main__":
    with (
        time_machine.travel(datetime.now(UTC), tick=True) as traveller,
        LocalAws(directory=Path("aws").resolve()) as server,
    ):
        bootstrap(server.endpoint, local_stack.REGION)
        settings = local_stack.environment(server.endpoint)
        os.environ.update({name: value for name, value in settings.items() if name.startswith("AWS_")})
        try:
            run_verify(
                sys.argv[1],
                pipeline_name=None,
                keep=False,
                persons=int(sys.argv[2]),
                wait_until=lambda moment: traveller.shift(moment - datetime.now(UTC)),
            )
        except UserError as error:
            print(f"refused: {error}")
            sys.exit(1)
        tables = local_stack.client("dynamodb", server.endpoint).list_tables()["TableNames"]
        print(f"left: {tables}")
