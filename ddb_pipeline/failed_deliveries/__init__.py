"""Records that Firehose could not deliver: what it wrote about them below `errors/`, and how they come back.

Firehose writes a JSON line for each record that the converter refused (type `processing-failed`) or that did not fit
the table (`format-conversion-failed`), with the record's bytes in base64. A replay puts these bytes on the Kinesis
stream again, so that they take the normal path, and tags the object with a receipt (docs/checks.md).
"""
