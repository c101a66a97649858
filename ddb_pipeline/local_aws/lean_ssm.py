"""Loads moto's SSM without EC2's tables, which cost 90 MB and more than a second, and are never asked for.

moto's SSM imports its EC2; local AWS answers nothing for EC2. It has tables of machine types, and one of regions, for
which it reads boto3's model of EC2, the largest there is, three times.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

import boto3
from moto.utilities import utils


def load_ssm() -> None:
    """Import moto's SSM; EC2's resource files and regions read as empty meanwhile. Harmless when it is imported."""
    read, regions, loading = utils.load_resource, boto3.Session.get_available_regions, threading.get_ident()

    def read_what_is_not_ec2(resource: str) -> Any:
        return {} if resource.startswith("ec2/") else read(resource)

    def none_here(asked: Any, *arguments: Any, **named: Any) -> Any:
        # requests of other services may be answered meanwhile, in threads of their own
        return [] if threading.get_ident() == loading else regions(asked, *arguments, **named)

    session: Any = boto3.Session
    utils.load_resource, session.get_available_regions = read_what_is_not_ec2, none_here
    try:
        importlib.import_module("moto.ssm.models")
    finally:
        utils.load_resource, session.get_available_regions = read, regions
