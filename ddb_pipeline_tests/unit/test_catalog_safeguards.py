"""Before a deployment: does the stage name the key that encrypts the account's Glue Data Catalog?"""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.cli.catalog_safeguards import require_catalog_key
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.place import Place
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.resources.settings import Connection, Settings
from ddb_pipeline_tests.conftest import REPOSITORY

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER = "arn:aws:kms:eu-central-1:111122223333:key/abcd1234-12ab-34cd-56ef-1234567890ab"
NOT_ENCRYPTED = {"CatalogEncryptionMode": "DISABLED"}
ENCRYPTED = {"CatalogEncryptionMode": "SSE-KMS", "SseAwsKmsKeyId": "alias/catalog"}
WITH_A_ROLE = {**ENCRYPTED, "CatalogEncryptionMode": "SSE-KMS-WITH-SERVICE-ROLE"}


@dataclasses.dataclass(frozen=True)
class Account(Place):
    """An account whose catalog is encrypted so, with a key of its own unless it is said to be AWS's."""

    encryption: Any = None
    manager: str = "CUSTOMER"
    denied: str = ""

    def client(self, service: str) -> Any:
        return {
            "glue": SimpleNamespace(get_data_catalog_encryption_settings=self._settings),
            "kms": SimpleNamespace(describe_key=self._described),
        }[service]

    def _settings(self) -> dict[str, Any]:
        self._check("GetDataCatalogEncryptionSettings")
        return {"DataCatalogEncryptionSettings": {"EncryptionAtRest": self.encryption}}

    def _described(self, KeyId: str) -> dict[str, Any]:  # noqa: N803
        assert KeyId == ENCRYPTED["SseAwsKmsKeyId"]
        self._check("DescribeKey")
        return {"KeyMetadata": {"Arn": KEY, "KeyManager": self.manager}}

    def _check(self, operation: str) -> None:
        if operation == self.denied:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)


def required(encryption: dict[str, str], declared: str | None, manager: str = "CUSTOMER", denied: str = "") -> None:
    own = load_declaration(REPOSITORY / "pipeline.toml")
    stage = dataclasses.replace(own.stages["dev"], catalog_key=declared)
    account = Account(
        Settings("dev", Connection()), "111122223333", "eu-central-1", encryption=encryption, manager=manager,
        denied=denied,
    )  # fmt: skip
    require_catalog_key(dataclasses.replace(own, stages={"dev": stage}), account)


@pytest.mark.parametrize(("declared", "said"), [(None, "names none"), (OTHER, f"says {OTHER}")])
def test_a_stage_that_does_not_name_the_key_of_the_catalog_is_not_deployed(declared, said):
    with pytest.raises(UserError) as refused:
        required(ENCRYPTED, declared)
    assert str(refused.value) == (
        f"the Glue Data Catalog of account 111122223333, region eu-central-1 is encrypted with the key {KEY}, and "
        f'catalog_key of stage dev {said}: set catalog_key = "{KEY}", or crawlers, Firehose and Dagster may not read '
        "the catalog; nothing was deployed"
    )


@pytest.mark.parametrize(
    ("encryption", "declared", "manager"),
    [
        ({}, None, "CUSTOMER"),
        (NOT_ENCRYPTED, None, "CUSTOMER"),
        (ENCRYPTED, KEY, "CUSTOMER"),
        (ENCRYPTED, None, "AWS"),
        ({"CatalogEncryptionMode": "SSE-KMS"}, None, "AWS"),
        ({**ENCRYPTED, "SseAwsKmsKeyId": "alias/aws/glue"}, None, "nobody asks"),
        (WITH_A_ROLE, None, "CUSTOMER"),
        (WITH_A_ROLE, KEY, "CUSTOMER"),
    ],
)
def test_where_nothing_is_lacking_nothing_is_said(capsys, encryption, declared, manager):
    required(encryption, declared, manager)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("encryption", "manager"), [(NOT_ENCRYPTED, "CUSTOMER"), (ENCRYPTED, "AWS")])
def test_a_key_that_the_catalog_has_no_more_is_told(capsys, encryption, manager):
    required(encryption, KEY, manager)
    assert " ".join(capsys.readouterr().out.split()) == (
        f"catalog_key of stage dev is {KEY}, and no key of yours encrypts the Glue Data Catalog of account "
        "111122223333, region eu-central-1 now: it is needed only for what was made while it did"
    )


@pytest.mark.parametrize("denied", ["GetDataCatalogEncryptionSettings", "DescribeKey"])
def test_who_may_deploy_but_not_ask_is_told_and_goes_on(capsys, denied):
    required(ENCRYPTED, None, denied=denied)
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith(f"could not be looked at: AWS denies {denied}")
