"""UNLOAD, up to what is to be written where: a query's rows as Parquet objects, without a table.

Source: Athena user guide, "UNLOAD" (ug/unload.html).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import TokenType, exp

from ddb_pipeline.local_aws.athena.ddl_reader import Reader
from ddb_pipeline.local_aws.athena.dialect import parse_statement, words
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, not_supported
from ddb_pipeline.local_aws.athena.plans import Plan, Session, Write
from ddb_pipeline.local_aws.athena.relations import Table
from ddb_pipeline.local_aws.athena.views import hive_columns
from ddb_pipeline.local_aws.athena.writes import COMPRESSIONS, partition_keys

_NAME = "unload"


def unload(session: Session, compile_query: Callable[[exp.Expr, Session], Plan]) -> Write:
    """Compile `UNLOAD (query) TO 's3://...' WITH (format = 'PARQUET', ...)`.

    Raises:
        QueryFailedError: It is wrong, or asks for what local AWS does not write.
    """
    query, reader = _query(session)
    reader.expect("TO")
    location = reader.text()
    if not location.startswith("s3://") or not location.removeprefix("s3://").partition("/")[0]:
        raise QueryFailedError("INVALID_TABLE_PROPERTY", f"the destination must be a path in S3: {location}")
    compression, keys = _properties(reader)
    inner = replace(session, sql=query)
    statement = parse_statement(query, session.parameters)
    if not isinstance(statement, (exp.Query, exp.Values)):
        raise not_supported(session.sql, None, f"UNLOAD of {statement.key.upper()}")
    plan = compile_query(statement, inner)
    columns = hive_columns(plan.relation.fields)
    places = len(columns) - len(partition_keys(keys, columns, plan.relation.fields))
    table = Table(
        _NAME,
        session.id,
        plan.relation.fields[:places],
        plan.relation.fields[places:],
        (),
        location if location.endswith("/") else f"{location}/",
        "parquet",
    )
    values = tuple(f"w.c{place}" for place in range(1, len(columns) + 1))
    return Write(plan, table, values, COMPRESSIONS[compression], is_unload=True)


def _query(session: Session) -> tuple[str, Reader]:
    """The text between the first brackets, and a reader of what comes behind them."""
    tokens, depth = words(session.sql), 0
    for token in tokens[1:]:
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if depth == 0:
            text = session.sql[tokens[1].end + 1 : token.start]
            rest = " " * (token.end + 1) + session.sql[token.end + 1 :]
            if tokens[1].token_type == TokenType.L_PAREN and text.strip():
                return text, Reader(replace(session, sql=rest))
            break
    raise QueryFailedError("SYNTAX_ERROR", "UNLOAD needs a query in brackets")


def _properties(reader: Reader) -> tuple[str, list[str]]:
    """Compression, and the columns that the objects are parted by."""
    found: dict[str, str] = {}
    keys: list[str] = []
    if reader.accept("WITH"):
        reader.expect("(")
        while True:
            name = reader.name()
            reader.expect("=")
            if name == "partitioned_by":
                keys = _names(reader)
            else:
                found[name] = reader.text()
            if not reader.accept(","):
                break
        reader.expect(")")
    reader.end()
    format_, compression = found.pop("format", "").upper(), found.pop("compression", "GZIP").upper()
    if format_ != "PARQUET" or compression not in COMPRESSIONS or found:
        what = next(iter(found), None)
        asked = f"the property {what}" if what else f"format '{format_}' with compression '{compression}'"
        raise not_supported(reader.session.sql, None, f"{asked} of UNLOAD")
    return compression, keys


def _names(reader: Reader) -> list[str]:
    names = []
    reader.expect("ARRAY", "[")
    while True:
        names.append(reader.text().lower())
        if not reader.accept(","):
            break
    reader.expect("]")
    return names
