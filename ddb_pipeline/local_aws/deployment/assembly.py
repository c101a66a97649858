"""A CDK assembly on disk: its stacks in the order of deployment, and the files that they need published.

Pure reading. The formats are those of aws-cdk's cloud-assembly-schema: manifest.json, *.assets.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class AssemblyError(Exception):
    """The directory is no assembly, or holds what local AWS does not know."""


@dataclass(frozen=True)
class Asset:
    """A file or directory to publish."""

    title: str
    path: Path
    packaging: str
    bucket: str
    key: str


@dataclass(frozen=True)
class StackArtifact:
    """A stack, whose template is one of the assets."""

    name: str
    template_bucket: str
    template_key: str
    tags: Mapping[str, str]
    termination_protection: bool


@dataclass(frozen=True)
class Assembly:
    """What is to be deployed, in order."""

    stacks: tuple[StackArtifact, ...]
    assets: tuple[Asset, ...]


_NO_DEPLOYMENT = {"cdk:tree", "cdk:feature-flag-report", "cdk:asset-manifest"}


def read_assembly(directory: Path, account: str, region: str) -> Assembly:
    """Read an assembly.

    Args:
        directory: Where `cdk synth` wrote it.
        account: Account to deploy to, for names that hold it.
        region: Region to deploy to, likewise.

    Raises:
        AssemblyError: It is none, or holds what local AWS does not know.
    """
    artifacts = _json(directory / "manifest.json").get("artifacts", {})
    place = {"${AWS::AccountId}": account, "${AWS::Region}": region, "${AWS::Partition}": "aws"}
    assets: list[Asset] = []
    stacks: dict[str, StackArtifact] = {}
    for name in _in_order(artifacts):
        artifact = artifacts[name]
        kind, properties = artifact["type"], artifact.get("properties", {})
        if kind == "cdk:asset-manifest":
            assets += _assets(directory, properties["file"], place)
        elif kind == "aws:cloudformation:stack":
            _check_environment(name, artifact.get("environment", ""), account, region)
            bucket, _, key = (
                _filled(properties["stackTemplateAssetObjectUrl"], place).removeprefix("s3://").partition("/")
            )
            stacks[name] = StackArtifact(
                name=properties.get("stackName", name),
                template_bucket=bucket,
                template_key=key,
                tags=properties.get("tags", {}),
                termination_protection=bool(properties.get("terminationProtection", False)),
            )
        elif kind not in _NO_DEPLOYMENT:
            raise AssemblyError(
                f"{directory / 'manifest.json'}: local AWS does not know artifacts of type {kind} ({name})"
            )
    if not stacks:
        raise AssemblyError(f"{directory}: holds no stack; run `make synth` to see whether the app makes one")
    return Assembly(tuple(stacks.values()), tuple(assets))


def _in_order(artifacts: Mapping[str, Any]) -> list[str]:
    """Names of the artifacts, each after those that it depends on."""
    ordered: list[str] = []
    while len(ordered) < len(artifacts):
        ready = [
            name
            for name, artifact in artifacts.items()
            if name not in ordered and not (set(artifact.get("dependencies", [])) & set(artifacts)) - set(ordered)
        ]
        if not ready:
            raise AssemblyError(f"the stacks depend on each other: {', '.join(sorted(set(artifacts) - set(ordered)))}")
        ordered += ready
    return ordered


def _assets(directory: Path, file: str, place: Mapping[str, str]) -> list[Asset]:
    manifest = _json(directory / file)
    if manifest.get("dockerImages"):
        raise AssemblyError(f"{directory / file}: local AWS publishes no container images")
    assets = []
    for identity, content in manifest.get("files", {}).items():
        source = content["source"]
        packaging = source.get("packaging", "file")
        if "executable" in source or packaging not in {"file", "zip"}:
            raise AssemblyError(f"{directory / file}: local AWS does not know how asset {identity} is packaged")
        path = (directory / source["path"]).resolve()
        if not path.is_relative_to(directory.resolve()) or not path.exists():
            raise AssemblyError(f"{directory / file}: asset {identity} is not in the assembly: {source['path']}")
        assets += [
            Asset(
                title=content.get("displayName", identity),
                path=path,
                packaging=packaging,
                bucket=_filled(destination["bucketName"], place),
                key=_filled(destination["objectKey"], place),
            )
            for destination in content["destinations"].values()
        ]
    return assets


def _check_environment(name: str, environment: str, account: str, region: str) -> None:
    """Refuse a stack that is bound to another account or region."""
    bound = environment.removeprefix("aws://").split("/")
    expected = ({account, "unknown-account", ""}, {region, "unknown-region", ""})
    for found, allowed in zip(bound, expected, strict=False):
        if found not in allowed:
            raise AssemblyError(f"stack {name} is bound to {environment}, local AWS is aws://{account}/{region}")


def _filled(text: str, place: Mapping[str, str]) -> str:
    for name, value in place.items():
        text = text.replace(name, value)
    return text


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AssemblyError(f"{path}: cannot be read ({error.strerror}): is this what `cdk synth` wrote?") from error
    except ValueError as error:
        raise AssemblyError(f"{path}: is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise AssemblyError(f"{path}: is not a JSON object")
    return document
