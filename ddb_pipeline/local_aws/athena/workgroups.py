"""Workgroups, named queries and prepared statements: kept in moto's own objects, with the checks that moto lacks."""

from __future__ import annotations

import time
from typing import Any

from moto.athena.models import NamedQuery, WorkGroup

from ddb_pipeline.local_aws.athena.errors import InvalidRequestError

PRIMARY = "primary"
LEAST_CUTOFF = 10_000_000
"""Least BytesScannedCutoffPerQuery (API shape `BytesScannedCutoffValue`)."""
_ENGINES = ("AUTO", "Athena engine version 3")
_ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
_RESULTS = {"OutputLocation", "EncryptionConfiguration", "ExpectedBucketOwner", "AclConfiguration"}
_PLAIN = {
    "EnforceWorkGroupConfiguration", "PublishCloudWatchMetricsEnabled", "BytesScannedCutoffPerQuery",
    "RequesterPaysEnabled", "EngineVersion", "EnableMinimumEncryptionConfiguration",
}  # fmt: skip


def checked(configuration: dict[str, Any]) -> dict[str, Any]:
    """Hold a WorkGroupConfiguration to what is honoured.

    Raises:
        InvalidRequestError: It asks for what AWS or local AWS does not do.
    """
    for name, value in configuration.items():
        is_off = isinstance(value, dict) and not any(value.values())
        if name not in _PLAIN | {"ResultConfiguration"} and not is_off:
            raise InvalidRequestError(f"{name} of a workgroup is not supported by local AWS")
    for name in configuration.get("ResultConfiguration") or {}:
        if name not in _RESULTS:
            raise InvalidRequestError(f"{name} of a workgroup's results is not supported by local AWS")
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and cutoff < LEAST_CUTOFF:
        raise InvalidRequestError(f"BytesScannedCutoffPerQuery is {cutoff}; the least is {LEAST_CUTOFF}")
    engine = (configuration.get("EngineVersion") or {}).get("SelectedEngineVersion", "AUTO")
    if engine not in _ENGINES:
        raise InvalidRequestError(f"the engine version '{engine}' is not supported by local AWS")
    location = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
    if location is not None and not str(location).startswith("s3://"):
        raise InvalidRequestError(f"outputLocation is not a valid S3 path: {location}")
    return {name: value for name, value in configuration.items() if name in _PLAIN | {"ResultConfiguration"}}


def updated(configuration: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
    """Apply ConfigurationUpdates of UpdateWorkGroup.

    Raises:
        InvalidRequestError: They ask for what AWS or local AWS does not do.
    """
    results = dict(configuration.get("ResultConfiguration") or {})
    own = dict(updates.get("ResultConfigurationUpdates") or {})
    for name in _RESULTS:
        if own.pop(f"Remove{name}", False):
            results.pop(name, None)
    plain = {name: value for name, value in updates.items() if name != "ResultConfigurationUpdates"}
    removes = plain.pop("RemoveBytesScannedCutoffPerQuery", False)
    changed = {**configuration, **plain, "ResultConfiguration": {**results, **own}}
    if removes:
        changed.pop("BytesScannedCutoffPerQuery", None)
    if "EngineVersion" in plain:
        changed["EngineVersion"] = _ENGINE | plain["EngineVersion"]
    return checked(changed)


def shown(group: WorkGroup) -> dict[str, Any]:
    """A workgroup as GetWorkGroup shows it."""
    return {
        "Name": group.name,
        "State": group.state,
        "Configuration": group.configuration,
        "Description": group.description or "",
        "CreationTime": created(group),
    }


def summary(group: WorkGroup) -> dict[str, Any]:
    """A workgroup as ListWorkGroups shows it."""
    whole = shown(group)
    kept = {name: whole[name] for name in ("Name", "State", "Description", "CreationTime")}
    return kept | {"EngineVersion": group.configuration.get("EngineVersion", _ENGINE)}


def created(group: WorkGroup) -> float:
    """When a workgroup was first seen; moto does not keep it."""
    found: float = group.__dict__.setdefault("created", time.time())
    return found


def shown_query(query: NamedQuery) -> dict[str, Any]:
    """A named query as the API shows it."""
    found = {
        "Name": query.name,
        "Description": query.description,
        "Database": query.database,
        "QueryString": query.query_string,
        "NamedQueryId": query.id,
        "WorkGroup": query.workgroup.name,
    }
    return {name: value for name, value in found.items() if value is not None}
