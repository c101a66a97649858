"""What every command has in common: help with examples, and one meaning of every way to end it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from ddb_pipeline.cli import main
from ddb_pipeline.cli.interrupts import terminated_as_interrupt


def command_names(command: click.Command = main, typed: str = "") -> list[str]:
    """Every command as it is typed after `ddb-pipeline`; the bare command is the empty text."""
    inner = command.commands.items() if isinstance(command, click.Group) else ()
    # a group without examples of its own shows those of its commands
    own = [] if isinstance(command, click.Group) and typed else [typed]
    return own + [name for word, one in inner for name in command_names(one, f"{typed} {word}".strip())]


def test_all_commands_are_known():
    assert {"", "check", "demo", "dev", "query", "local up", "local load"} <= set(command_names())


@pytest.mark.parametrize("name", command_names())
def test_every_command_has_examples_that_can_be_copied(name: str):
    answer = CliRunner().invoke(main, [*name.split(), "--help"], prog_name="ddb-pipeline", env={"COLUMNS": "80"})

    assert answer.exit_code == 0
    lines = answer.output.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.strip() in {"Example:", "Examples:"})
    assert any(f"ddb-pipeline {name}".strip() in line for line in lines[begin + 1 :])
    assert "\\b" not in answer.output
    # a summary that is cut ends so
    assert "..." not in answer.output.replace("[OPTIONS] COMMAND [ARGS]...", "")


@pytest.fixture
def _handlers_as_before() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers_as_before")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_way_to_end_a_command_is_an_interrupt(number: signal.Signals):
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupt():
        os.kill(os.getpid(), number)


@pytest.mark.usefixtures("_handlers_as_before")
def test_a_hangup_that_is_ignored_stays_so():
    """As `nohup` starts a command."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with terminated_as_interrupt():
        os.kill(os.getpid(), signal.SIGHUP)


@pytest.mark.usefixtures("_handlers_as_before")
def test_a_background_job_of_a_script_can_be_interrupted():
    """The shell starts it with Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupt():
        os.kill(os.getpid(), signal.SIGINT)
