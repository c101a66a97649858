"""Where a table in the Glue catalog is not as declared: the check that stops a refresh, and the repair, go by this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from ddb_pipeline import projection
from ddb_pipeline.catalog_tables import CatalogTable, all_tables
from ddb_pipeline.declaration import Compression
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.change_catalog import columns

Part = Literal["columns", "partition keys", "location", "format", "SerDe", "parameters"]
_CHOSEN: Mapping[str, Callable[[str], bool]] = {
    projection.YEARS: projection.can_be_declared,
    "compressionType": frozenset(get_args(Compression)).__contains__,
}
"""Parameters whose value `pipeline.toml` chooses, with what it can be: until the next deployment the table has the one
from before."""


@dataclass(frozen=True)
class TableChange:
    """What is not as declared: of which part of the table, and in words what it is and what it should be."""

    part: Part
    text: str


def declared_tables(deployment: Deployment) -> tuple[CatalogTable, ...]:
    """Return the tables of a pipeline as the stack declares them."""
    projected = projection.parameters(deployment.pipeline.start_date) if deployment.catalog.is_projected else {}
    return all_tables(deployment.stage.compression, projected)


def with_what_was_chosen(table: CatalogTable, described: Mapping[str, Any] | None) -> CatalogTable:
    """Return a table as it was deployed, where `pipeline.toml` may be ahead of the stack.

    A crawler passes over folders that are compressed otherwise than its table says. So only a deployment, which
    switches Firehose too, may bring another value. One that no deployment brings was changed by somebody.

    Args:
        table: The table as `pipeline.toml` has it now.
        described: Glue's description of it; None: it is not there, and nothing tells what was chosen.
    """
    found = (described or {}).get("Parameters") or {}
    chosen = {
        name: found[name]
        for name, can_be_chosen in _CHOSEN.items()
        if name in table.more_parameters and name in found and can_be_chosen(found[name])
    }
    return replace(table, more_parameters={**table.more_parameters, **chosen})


def table_changes(described: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[TableChange]:
    """Say where a table in the catalog is not what is declared.

    Args:
        described: Glue's description of the table; a crawler adds parameters of its own, and Glue fills in defaults.
        wanted: The declaration (shape TableInput).
    """
    found, storage = described.get("StorageDescriptor", {}), wanted["StorageDescriptor"]
    found_serde = found.get("SerdeInfo", {}).get("SerializationLibrary")
    single: list[tuple[Part, str, Any, Any]] = [
        ("location", "location", folder_of(found.get("Location")), folder_of(storage["Location"])),
        ("format", "input format", found.get("InputFormat"), storage["InputFormat"]),
        ("format", "output format", found.get("OutputFormat"), storage["OutputFormat"]),
        ("SerDe", "SerDe", found_serde, storage["SerdeInfo"]["SerializationLibrary"]),
    ]
    return [
        *_of("partition keys", _column_texts("partition key", wanted["PartitionKeys"], described.get("PartitionKeys"))),
        *_of("columns", _column_texts("column", storage["Columns"], found.get("Columns"))),
        *(TableChange(part, f"{what} is {is_}, not {want}") for part, what, is_, want in single if is_ != want),
        *_of("parameters", _parameter_texts(wanted["Parameters"], described.get("Parameters") or {})),
    ]


def folder_of(location: object) -> str:
    """Return a location without the slash at its end, which Glue keeps as it is given."""
    return str(location or "").rstrip("/")


def _of(part: Part, texts: Iterable[str]) -> list[TableChange]:
    return [TableChange(part, text) for text in texts]


def _column_texts(
    what: str, declared: Sequence[Mapping[str, Any]], described: Sequence[Mapping[str, Any]] | None
) -> list[str]:
    wanted, found = columns(declared), columns(described or [])
    types, wanted_types = dict(found), dict(wanted)
    texts = [f"{what} {name} is missing" for name in wanted_types if name not in types]
    texts += [
        f"{what} {name} is {types[name]}, not {type_}" for name, type_ in wanted if types.get(name, type_) != type_
    ]
    texts += [f"{what} {name} is unknown to the contract" for name in types if name not in wanted_types]
    if not texts and found != wanted:
        texts.append(f"{what}s are in another order: {', '.join(name for name, _type in found)}")
    return texts


def _parameter_texts(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    texts = [
        f"parameter {name} is {found.get(name)}, not {value}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
    # against the declaration Athena would overlook every partition
    if projection.is_enabled(found) and not projection.is_enabled(wanted):
        texts.append("partition projection is on, not off")
    return texts
