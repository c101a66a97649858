"""How names and text get into SQL: the one place where identifiers are quoted and literals escaped.

Attribute names, table names and keys are hostile input. Standard library only.
"""

from __future__ import annotations


def quote_identifier(name: str) -> str:
    """Quote a name for Athena's SELECT, CREATE VIEW and INSERT."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Write text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def json_path(*names: str) -> str:
    r"""Return the JSON path to an object's member by its name, and to members of it by theirs.

    Inside the quotes Trino's tokenizer knows two escapes only, `\"` and `\\`, and refuses any other
    (io.trino.jsonpath JsonPathTokenizer).
    """
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return "$" + "".join(f'["{name}"]' for name in quoted)
