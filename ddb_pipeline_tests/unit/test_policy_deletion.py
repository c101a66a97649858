"""Local AWS deletes a managed policy as IAM does: not while anybody has it beside the roles of its template."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ddb_pipeline.local_aws.deployment.identity_types import TYPES
from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made
from ddb_pipeline.local_aws.deployment.place import Place, ResourceError


class FakeIam:
    """What has one policy, and what was done."""

    def __init__(self, **holders: list[dict[str, str]]) -> None:
        self.holders = {"PolicyRoles": [], "PolicyUsers": [], "PolicyGroups": [], **holders}
        self.done: list[str] = []

    def list_entities_for_policy(self, PolicyArn: str) -> dict[str, Any]:  # noqa: N803, ARG002
        return self.holders

    def list_policy_versions(self, PolicyArn: str) -> dict[str, Any]:  # noqa: N803, ARG002
        return {"Versions": [{"IsDefaultVersion": True}]}

    def detach_role_policy(self, RoleName: str, PolicyArn: str) -> None:  # noqa: N803
        self.done.append(f"detach {PolicyArn} from {RoleName}")

    def delete_policy(self, PolicyArn: str) -> None:  # noqa: N803
        self.done.append(f"delete {PolicyArn}")


def delete(iam: FakeIam, *roles: str) -> None:
    place = cast("Place", SimpleNamespace(client=lambda _service: iam))
    TYPES["AWS::IAM::ManagedPolicy"].delete(place, Made("arn", {}), {"Roles": list(roles)})


def test_the_roles_of_the_template_lose_it_first():
    iam = FakeIam(PolicyRoles=[{"RoleName": "own"}])
    delete(iam, "own", "had it once")
    assert iam.done == ["detach arn from own", "delete arn"]


@pytest.mark.parametrize(
    "holders",
    [
        {"PolicyRoles": [{"RoleName": "own"}, {"RoleName": "dagster"}]},
        {"PolicyUsers": [{"UserName": "ci"}]},
        {"PolicyGroups": [{"GroupName": "team"}]},
    ],
)
def test_whoever_else_has_it_is_a_conflict_and_nothing_is_done(holders):
    iam = FakeIam(**holders)
    with pytest.raises(ResourceError, match="DeleteConflict"):
        delete(iam, "own")
    assert iam.done == []
