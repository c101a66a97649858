"""What rules say of every stage and variant of a stack: the CDK's own, cdk-nag's pack AwsSolutions, and cfn-lint's."""

import json
import subprocess
import sys
from pathlib import Path

from ddb_pipeline_tests.unit.infra_templates import assembly

# Findings of cfn-lint, with the reason
ACKNOWLEDGED = {"W3005": "the CDK lets a function depend on its role as well as refer to it"}


def report():
    """What the CDK's validation has written: one report for each plugin that finds anything, acknowledged or not."""
    return json.loads((assembly() / "validation-report.json").read_text())["pluginReports"]


def acknowledged_in_code():
    """Each acknowledgement that a construct has: its path, the exact id of the rule, the reason."""
    found = set()
    for file in assembly().glob("*.metadata.json"):
        for path, entries in json.loads(file.read_text()).items():
            for entry in entries:
                if entry["type"] == "aws:cdk:acknowledged-rules":
                    found |= {(path.removeprefix("/"), rule, reason) for rule, reason in entry["data"].items()}
    return found


def test_the_rules_were_asked():
    """cdk-nag sees the stacks: what it would find is there, as acknowledged."""
    assert [found["pluginName"] for found in report()] == ["AwsSolutions"]
    assert len(report()[0]["suppressedViolations"]) > 50


def test_nothing_is_found_that_is_not_acknowledged():
    found = {
        (place["constructPath"], violation["ruleName"], violation["description"])
        for one in report()
        for violation in one["violations"]
        for place in violation["violatingConstructs"]
    }
    assert found == set()
    assert {one["conclusion"] for one in report()} == {"success"}


def test_each_acknowledgement_is_of_something_that_is_found_and_has_a_reason():
    used = {
        (violation["acknowledgedAt"], violation["acknowledgedId"], violation["reason"])
        for violation in report()[0]["suppressedViolations"]
    }
    assert acknowledged_in_code() == used
    assert all(len(reason.split()) >= 4 for _, _, reason in used)


def test_rules_are_acknowledged_for_these_alone():
    """Each rule that is broken, beside the wildcards of IAM5, which have a reason each."""
    rules = {rule.partition("::")[2] for _, rule, _ in acknowledged_in_code()}
    assert {rule for rule in rules if not rule.startswith("AwsSolutions-IAM5[Resource::")} == {
        "AwsSolutions-DDB3",
        "AwsSolutions-KDF1",
        "AwsSolutions-KDS3",
        "AwsSolutions-S1",
        "AwsSolutions-S10",
    }
    everything = {place for place, rule, _ in acknowledged_in_code() if rule.endswith("IAM5[Resource::*]")}
    assert {place.split("/", 1)[1] for place in everything} == {
        "Access/Policy",
        "Access/PolicyOfUpkeep",
        "Crawler/Role",
    }


def test_no_construct_warns():
    """What `cdk synth --strict` fails on; a test of the CDK's own command line is among the end-to-end tests."""
    warnings = [
        (path, entry["data"])
        for file in assembly().glob("*.metadata.json")
        for path, entries in json.loads(file.read_text()).items()
        for entry in entries
        if entry["type"] in {"aws:cdk:warning", "aws:cdk:error"}
    ]
    assert warnings == []


def cfn_lint(directory):
    """Exit code, output and errors of cfn-lint on the templates of an assembly."""
    templates = [str(path) for path in sorted(directory.glob("*.template.json"))]
    program = str(Path(sys.executable).with_name("cfn-lint"))
    command = [program, "--ignore-checks", *sorted(ACKNOWLEDGED), "--", *templates]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.returncode, found.stdout, found.stderr


def test_cfn_lint_finds_nothing():
    assert cfn_lint(assembly()) == (0, "", "")
