"""The Dagster UI's own GraphQL, asked as the browser asks it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

REPOSITORY = {"repositoryLocationName": "ddb_pipeline", "repositoryName": "__repository__"}


class DagsterUI:
    """A running `dagster dev`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of a query."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = json.loads(answer.read())
        assert "errors" not in content, content
        return content["data"]

    def wait_until_it_answers(self, seconds: float = 90) -> None:
        """Wait until the code location is loaded."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.asset_keys():
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass  # not up yet: the deadline below decides
            assert time.monotonic() < deadline, "dagster dev does not answer"
            time.sleep(0.3)

    def asset_keys(self) -> list[str]:
        """The keys of all assets, materializable or not."""
        nodes = self.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
        return sorted("/".join(node["assetKey"]["path"]) for node in nodes)

    def skip_reasons(self, name: str) -> set[str]:
        """Why the ticks of a sensor were skipped."""
        found = self.ask(
            """query($selector: RepositorySelector!) { sensorsOrError(repositorySelector: $selector) {
                 ... on Sensors { results { name sensorState { ticks(limit: 5) { status skipReason } } } } } }""",
            selector=REPOSITORY,
        )
        (sensor,) = [sensor for sensor in found["sensorsOrError"]["results"] if sensor["name"] == name]
        return {tick["skipReason"] for tick in sensor["sensorState"]["ticks"] if tick["status"] == "SKIPPED"}

    def materialize_all(self) -> str:
        """Press "Materialize all"; the run's id."""
        nodes = self.ask("{ assetNodes { assetKey { path } isMaterializable } }")["assetNodes"]
        selection = [{"path": node["assetKey"]["path"]} for node in nodes if node["isMaterializable"]]
        answer = self.ask(
            """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
                 __typename
                 ... on LaunchRunSuccess { run { runId } }
                 ... on PythonError { message } } }""",
            params={
                "selector": {**REPOSITORY, "pipelineName": "__ASSET_JOB", "assetSelection": selection},
                "runConfigData": {},
                "mode": "default",
            },
        )["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def run_status(self, run_id: str, seconds: float = 120) -> str:
        """The status of a run once it has ended."""
        deadline = time.monotonic() + seconds
        while True:
            run = self.ask("query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id)[
                "runOrError"
            ]
            if run.get("status") in {"SUCCESS", "FAILURE", "CANCELED"}:
                return str(run["status"])
            assert time.monotonic() < deadline, run
            time.sleep(0.3)

    def failures(self, run_id: str) -> str:
        """What the run's failed steps said."""
        events = self.ask(
            """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
                 ... on ExecutionStepFailureEvent { error { message } failureMetadata { description } } } } } }""",
            id=run_id,
        )["logsForRun"]["events"]
        return "\n".join(json.dumps(event) for event in events if event)

    def materialized(self) -> set[str]:
        """The keys of the assets that were ever materialized."""
        nodes = self.ask("{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { runId } } }")["assetNodes"]
        return {"/".join(node["assetKey"]["path"]) for node in nodes if node["assetMaterializations"]}
