"""`pipeline.toml` as frozen dataclasses: what is streamed, and how each stage runs it.

Standard library only, because `infra_cdk` reads the same file. A wrong file raises one `DeclarationError`
that names the file, the key, what was found and what is allowed.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ddb_pipeline.declaration.existing_tables import check_existing_table
from ddb_pipeline.declaration.pipelines import BaselineKind, KeyAttribute, KeyType, Pipeline, read_pipeline
from ddb_pipeline.declaration.stages import (
    Automation,
    Compression,
    Measure,
    Stage,
    StreamMode,
    check_buffers,
    check_retention,
    read_stage,
)
from ddb_pipeline.toml_table import ByStage, DeclarationError, Table, listed

__all__ = [
    "FILE_NAME",
    "FILE_VARIABLE",
    "Automation",
    "BaselineKind",
    "ByStage",
    "Compression",
    "Declaration",
    "DeclarationError",
    "KeyAttribute",
    "KeyType",
    "Measure",
    "Pipeline",
    "Stage",
    "StreamMode",
    "find_declaration_file",
    "load_declaration",
]

FILE_NAME = "pipeline.toml"
FILE_VARIABLE = "DDB_PIPELINE_FILE"


@dataclass(frozen=True)
class Declaration:
    """The whole of `pipeline.toml`.

    Attributes:
        path: The file.
        pipelines: The pipelines by name.
        stages: The stages by name.
        left_out: Names of pipelines that the file says something wrong of, and what it is; none where such a file is
            refused.
    """

    path: Path
    pipelines: Mapping[str, Pipeline]
    stages: Mapping[str, Stage]
    left_out: Mapping[str, DeclarationError] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        """Return the stage of that name.

        Raises:
            DeclarationError: There is none; the message lists those that are declared.
        """
        if name not in self.stages:
            raise DeclarationError(
                f"{self.path}: stages: no stage is named '{name}'; declared are {listed(self.stages)}"
            )
        return self.stages[name]


def find_declaration_file(start: Path | None = None) -> Path:
    """Find the file: `DDB_PIPELINE_FILE`, else `pipeline.toml` in the working directory or above it.

    Args:
        start: Directory where the search starts; the working directory by default.

    Raises:
        DeclarationError: There is no such file.
    """
    named = os.environ.get(FILE_VARIABLE)
    if named:
        path = Path(named)
        if not path.is_file():
            what = "is a folder: name the file in it" if path.is_dir() else "no such file"
            raise DeclarationError(f"{path}: {what} (named by the environment variable {FILE_VARIABLE})")
        return path.resolve()
    directory = (start or Path.cwd()).resolve()
    for candidate in (directory, *directory.parents):
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
    raise DeclarationError(
        f"no {FILE_NAME} in {directory} or above it: change into the project's folder, "
        f"or set {FILE_VARIABLE} to the file's path"
    )


def load_declaration(path: Path | None = None, *, leave_out_wrong: bool = False) -> Declaration:
    """Read and check the file.

    Args:
        path: The file; found by `find_declaration_file` when not given.
        leave_out_wrong: Whether pipelines that it says something wrong of are left out as long as one is right, so that
            those that run already go on; else it is refused.

    Raises:
        DeclarationError: The file is missing, is not TOML, or says something that is not allowed.
    """
    path = path or find_declaration_file()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeclarationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(f"{path}: is not valid TOML: {error}") from None
    root = Table(path, "", document)
    to_read = root.tables("pipelines")
    stage_tables = {name: table() for name, table in root.tables("stages").items()}
    root.refuse_unknown_keys()
    stages = {name: read_stage(name, table) for name, table in stage_tables.items()}
    pipelines: dict[str, Pipeline] = {}
    left_out: dict[str, DeclarationError] = {}
    for name, read in to_read.items():
        try:
            pipeline = read_pipeline(name, table := read())
            for stage_name, stage in stages.items():
                check_buffers(stage, stage_tables[stage_name], pipeline)
                check_retention(stage, stage_tables[stage_name], pipeline)
            check_existing_table(pipeline, pipelines.values(), table, stages)
        except DeclarationError as error:
            left_out[name] = error
        else:
            pipelines[name] = pipeline
    if left_out and not (leave_out_wrong and pipelines):
        raise DeclarationError("\n".join(map(str, left_out.values())))
    return Declaration(path, pipelines, stages, left_out)
