"""Whether a stage names the key that encrypts the Glue Data Catalog: looked at before the CDK starts.

Nothing else would say it in time: the stack is made as if all were well, unless Firehose looks for the columns of
Parquet, and then Glue denies the crawlers and Dagster whatever they ask of the catalog.
"""

from __future__ import annotations

from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.cli.described_tables import asked
from ddb_pipeline.cli.place import Place
from ddb_pipeline.declaration import Declaration

_BY_CALLERS = "SSE-KMS"
"""The mode in which whoever asks the catalog takes rights on its key: with `SSE-KMS-WITH-SERVICE-ROLE` a role of Glue's
has them for all (API_EncryptionAtRest.html)."""


_KEY_OF_AWS = "alias/aws/glue"
"""AWS's own key, whose policy lets everybody use it who may use Glue."""


def require_catalog_key(declaration: Declaration, place: Place) -> None:
    """Check that a stage names the key of one's own that encrypts the catalog of its account and region.

    A key that is named beyond that is told, and allowed: what was made while it was the catalog's stays encrypted with
    it (glue/latest/dg/encrypt-glue-data-catalog.html).

    Raises:
        UserError: There is such a key, and the stage names none, or another.
        PipelineError: AWS cannot be asked.
    """
    declared, where = declaration.stage(place.stage).catalog_key, f"account {place.account}, region {place.region}"
    mode, key = _encryption(place)
    if mode is None:
        return
    if mode == _BY_CALLERS and key is not None and key != declared:
        said = "names none" if declared is None else f"says {declared}"
        raise UserError(
            f"the Glue Data Catalog of {where} is encrypted with the key {key}, and catalog_key of stage {place.stage} "
            f'{said}: set catalog_key = "{key}", or crawlers, Firehose and Dagster may not read the catalog; nothing '
            "was deployed"
        )
    if declared is not None and key is None:
        console.print(
            f"  [yellow]catalog_key of stage {place.stage} is {declared}, and no key of yours encrypts the Glue Data "
            f"Catalog of {where} now[/]: it is needed only for what was made while it did"
        )


def _encryption(place: Place) -> tuple[str | None, str | None]:
    """How the catalog is encrypted, and the ARN of the key of one's own that does it.

    Returns:
        The mode, None where whose credentials these are may not ask, which is told; and the key, None where there is
        none or AWS's own.
    """
    glue, kms = place.client("glue"), place.client("kms")
    settings = asked(place, "encryption of the Glue Data Catalog", glue.get_data_catalog_encryption_settings)
    if settings is None:
        return None, None
    found = settings.get("DataCatalogEncryptionSettings", {}).get("EncryptionAtRest", {})
    mode, key = str(found.get("CatalogEncryptionMode", "DISABLED")), found.get("SseAwsKmsKeyId")
    if mode == "DISABLED" or key is None or key.endswith(_KEY_OF_AWS):
        return mode, None
    # an id, an ARN or an alias
    described = asked(place, f"key {key}", lambda: kms.describe_key(KeyId=key))
    if described is None:
        return None, None
    metadata = described["KeyMetadata"]
    return mode, None if metadata["KeyManager"] == "AWS" else str(metadata["Arn"])
