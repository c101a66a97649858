"""Loads moto's SSM without EC2's tables of machine types, which cost 90 MB and half a second and are never asked for.

moto's SSM imports its EC2; local AWS answers nothing for EC2.
"""

from __future__ import annotations

import importlib
from typing import Any

from moto.utilities import utils


def load_ssm() -> None:
    """Import moto's SSM; EC2's resource files read as empty meanwhile. Harmless when it is imported already."""
    read = utils.load_resource

    def read_what_is_not_ec2(resource: str) -> Any:
        return {} if resource.startswith("ec2/") else read(resource)

    utils.load_resource = read_what_is_not_ec2
    try:
        importlib.import_module("moto.ssm.models")
    finally:
        utils.load_resource = read
