"""How many change records a second the converter makes into rows, on one core.

The rival of the same run reads and writes the same records with `json.loads` and `json.dumps` and does nothing else:
what any function that touches the records must pay.
"""

import base64
import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ddb_pipeline_tests.benchmarks.figures import Figure

FOLDER = Path(__file__).parents[2] / "infra_cdk" / "functions" / "change_converter"
BATCH = 1000
ROUNDS = 15


def change(number, event_name):
    """A person's change record, about 700 (insert) or 1100 bytes."""

    def person(area):
        return {
            "pk": {"S": f"person-{number}"},
            "person": {
                "M": {
                    "lastName": {"S": "Müller"},
                    "firstName": {"S": "Ada"},
                    "gender": {"S": "female"},
                    "title": {"S": "Dr."},
                    "job": {"M": {"descriptor": {"S": "Senior"}, "area": {"S": area}, "type": {"S": "Engineer"}}},
                }
            },
        }

    images = {"NewImage": person("Data")} | ({"OldImage": person("Research")} if event_name == "MODIFY" else {})
    return {
        "awsRegion": "eu-central-1",
        "eventID": f"f89436e0-627d-4d37-9879-{number:012d}",
        "eventName": event_name,
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": "persons",
        "dynamodb": {
            "ApproximateCreationDateTime": 1721011165891550 + number,
            "Keys": {"pk": {"S": f"person-{number}"}},
            **images,
            "SizeBytes": 137,
            "ApproximateCreationDateTimePrecision": "MICROSECOND",
        },
        "eventSource": "aws:dynamodb",
    }


def firehose_event(event_name):
    """A batch as Firehose sends it."""
    metadata = {
        "shardId": "shardId-000000000000",
        "approximateArrivalTimestamp": 1721011165999,
        "sequenceNumber": "49546986683135544286507457936321625675700192471156785154",
    }
    records = []
    for number in range(BATCH):
        data = json.dumps(change(number, event_name), separators=(",", ":")).encode()
        records.append(
            {
                "recordId": str(number),
                "approximateArrivalTimestamp": 1721011165999,
                "data": base64.b64encode(data).decode(),
                "kinesisRecordMetadata": metadata,
            }
        )
    return {"records": records}


def rival(event, _context):
    """Read and write each record, nothing more."""
    answers = []
    for record in event["records"]:
        data = json.dumps(json.loads(base64.b64decode(record["data"])), ensure_ascii=False) + "\n"
        answers.append(
            {"recordId": record["recordId"], "result": "Ok", "data": base64.b64encode(data.encode()).decode()}
        )
    return {"records": answers}


def records_per_second(function, event):
    """Of the best of several rounds, so that other work on the machine counts little."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        answers = function(event, None)["records"]
        best = min(best, time.perf_counter() - start)
    assert all(answer["result"] == "Ok" for answer in answers)
    return BATCH / best


def run() -> Iterator[Figure]:
    """Yield the figures."""
    sys.path.insert(0, str(FOLDER))
    try:
        handler = importlib.import_module("change_converter").handler
    finally:
        sys.path.remove(str(FOLDER))
    for event_name in ("INSERT", "MODIFY"):
        event = firehose_event(event_name)
        size = sum(len(record["data"]) for record in event["records"]) * 3 // 4 // BATCH
        ours, theirs = records_per_second(handler, event), records_per_second(rival, event)
        yield Figure(f"{event_name}, {size} bytes each", ours, "json.loads + json.dumps alone", theirs, "records/s")
