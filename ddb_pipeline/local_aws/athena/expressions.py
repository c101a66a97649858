"""Expressions of Athena's SQL, compiled to DuckDB SQL of the same meaning: all kinds of nodes, put together."""

from __future__ import annotations

# imported because each enters its kinds of nodes into the compiler's list
from ddb_pipeline.local_aws.athena import aggregates, calls, columns, conditions
from ddb_pipeline.local_aws.athena.aggregates import is_aggregate
from ddb_pipeline.local_aws.athena.compiler import COMPILERS, Environment, Expressions, ResolvedColumn, direction

__all__ = ["COMPILERS", "Environment", "Expressions", "ResolvedColumn", "direction", "is_aggregate"]

KINDS_OF_NODES = (aggregates, calls, columns, conditions)
