"""Properties of the OpenX SerDe, as Athena documents them (ug/openx-json-serde.html). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ddb_pipeline.local_aws.athena.errors import QueryFailedError

SERDE = "org.openx.data.jsonserde.JsonSerDe"
_MAPPING = "mapping."
_FLAGS = {"ignore.malformed.json": False, "case.insensitive": True, "dots.in.keys": False}
_FLAGS["use.null.for.invalid.data"] = False
# crawlers write `paths`, and the SerDe does not know it; the other one is for SerDes of delimited text
_NO_EFFECT = ("paths", "serialization.format")


@dataclass(frozen=True)
class Options:
    """How lines are read.

    Attributes:
        ignores_malformed: A malformed line is a row of NULLs.
        folds_case: Keys are found whatever their case.
        joins_dots: A dot in a key stands for an underscore.
        nulls_misfits: A value that is none of its column's type is NULL.
        keys: Columns and fields that have another key than their name: the pairs of name and key.
    """

    ignores_malformed: bool = False
    folds_case: bool = True
    joins_dots: bool = False
    nulls_misfits: bool = False
    keys: tuple[tuple[str, str], ...] = ()


def read_options(parameters: Mapping[str, str]) -> Options:
    """Read the SerDe's properties.

    Raises:
        QueryFailedError: NOT_SUPPORTED, a property or its value is not one that Athena documents.
    """
    flags, keys = dict(_FLAGS), {}
    for name, value in parameters.items():
        if name in flags:
            if value.lower() not in ("true", "false"):
                raise _refused(f"the value '{value}' of the SerDe property {name}")
            flags[name] = value.lower() == "true"
        elif name.startswith(_MAPPING):
            keys[name.removeprefix(_MAPPING).lower()] = value
        elif name not in _NO_EFFECT:
            raise _refused(f"the SerDe property {name} of OpenX")
    folds = flags["case.insensitive"]
    if flags["dots.in.keys"] and any("." in key for key in keys.values()):
        raise _refused("dots.in.keys together with the mapping of a key that has dots")
    return Options(
        ignores_malformed=flags["ignore.malformed.json"],
        folds_case=folds,
        joins_dots=flags["dots.in.keys"],
        nulls_misfits=flags["use.null.for.invalid.data"],
        keys=tuple(sorted((name, key.lower() if folds else key) for name, key in keys.items())),
    )


def _refused(what: str) -> QueryFailedError:
    return QueryFailedError("NOT_SUPPORTED", f"{what} is not supported by local AWS")
