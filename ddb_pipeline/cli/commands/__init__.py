"""Every command of `ddb-pipeline` as it is typed: its options, its help, its examples. One file a command or group.

A new command is a file here and a line in `COMMANDS`. What it does lies in a module beside this folder, which the
command imports when it runs: help must answer at once, and without the extras that only some commands need.
"""

from __future__ import annotations

import click

from ddb_pipeline.cli.commands.check import check
from ddb_pipeline.cli.commands.demo import demo
from ddb_pipeline.cli.commands.dev import dev
from ddb_pipeline.cli.commands.erase import erase
from ddb_pipeline.cli.commands.local import local
from ddb_pipeline.cli.commands.query import query
from ddb_pipeline.cli.commands.repair import repair
from ddb_pipeline.cli.commands.replay import replay
from ddb_pipeline.cli.commands.stage import bootstrap, deploy, destroy, diff, env, verify

COMMANDS: tuple[click.Command, ...] = (
    bootstrap,
    check,
    demo,
    deploy,
    destroy,
    dev,
    diff,
    env,
    erase,
    local,
    query,
    repair,
    replay,
    verify,
)
