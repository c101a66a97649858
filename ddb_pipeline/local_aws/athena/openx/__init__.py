"""JSON tables of the OpenX SerDe: what a crawler makes of JSON in S3.

The SerDe forgives more than JSON allows, and its versions differ in how much. Here is read what all of them read
alike; a line or a value that they may read differently fails the query by name. Sources: Athena user guide, "OpenX
JSON SerDe" (openx-json-serde.html); the notes on known differences beside Trino's own reader
(github.com/trinodb/trino, lib/trino-hive-formats, openxjson/README.md); github.com/rcongiu/Hive-JSON-Serde.

- `options`: the SerDe's properties.
- `syntax`: what counts as malformed.
- `values`: a JSON value as a value of a column's type.
- `rows`: a line as a row.
- `objects`: S3 objects, read once and kept as Parquet.
"""
