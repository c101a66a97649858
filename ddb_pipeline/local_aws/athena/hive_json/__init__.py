"""JSON tables of the Hive SerDe: lines of flat JSON objects.

DuckDB reads more than the SerDe does: it matches names by case where the SerDe does not, and converts values that the
SerDe refuses. So names and kinds of the values of each object are held to the table's columns before it is read.

- `layout`: names and kinds, found without parsing.
- `objects`: S3 objects, looked at and parsed once, and kept as Parquet.
"""
