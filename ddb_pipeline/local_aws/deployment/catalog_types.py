"""How the stack's catalog, crawler, workgroup and saved queries are made."""

from __future__ import annotations

from typing import Any

from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made
from ddb_pipeline.local_aws.deployment.place import (
    Place,
    Properties,
    ResourceType,
    differ,
    picked,
    retag,
    tag_list,
    tag_table,
    wait_until,
)


def _make_database(place: Place, properties: Properties) -> Made:
    settings = {"Name": place.generated_name(255).lower(), **properties["DatabaseInput"]}
    place.client("glue").create_database(**picked(properties, "CatalogId"), DatabaseInput=settings)
    return Made(settings["Name"])


def _update_database(place: Place, made: Made, old: Properties, new: Properties) -> None:  # noqa: ARG001
    settings = {**new["DatabaseInput"], "Name": made.physical_id}
    place.client("glue").update_database(**picked(new, "CatalogId"), Name=made.physical_id, DatabaseInput=settings)


def _delete_database(place: Place, made: Made, properties: Properties) -> None:
    place.client("glue").delete_database(**picked(properties, "CatalogId"), Name=made.physical_id)


def _make_catalog_table(place: Place, properties: Properties) -> Made:
    settings = {"Name": place.generated_name(255).lower(), **properties["TableInput"]}
    place.client("glue").create_table(**picked(properties, "CatalogId", "DatabaseName"), TableInput=settings)
    return Made(settings["Name"])


def _update_catalog_table(place: Place, made: Made, old: Properties, new: Properties) -> None:  # noqa: ARG001
    settings = {"Name": made.physical_id, **new["TableInput"]}
    place.client("glue").update_table(**picked(new, "CatalogId", "DatabaseName"), TableInput=settings)


def _delete_catalog_table(place: Place, made: Made, properties: Properties) -> None:
    place.client("glue").delete_table(**picked(properties, "CatalogId", "DatabaseName"), Name=made.physical_id)


def _make_security(place: Place, properties: Properties) -> Made:
    encryption = dict(properties["EncryptionConfiguration"])
    # the API has the singular (API_EncryptionConfiguration.html)
    if "S3Encryptions" in encryption:
        encryption["S3Encryption"] = encryption.pop("S3Encryptions")
    place.client("glue").create_security_configuration(Name=properties["Name"], EncryptionConfiguration=encryption)
    return Made(properties["Name"])


def _delete_security(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("glue").delete_security_configuration(Name=made.physical_id)


_CRAWLER_SETTINGS = (
    "Configuration",
    "CrawlerSecurityConfiguration",
    "DatabaseName",
    "Description",
    "RecrawlPolicy",
    "Role",
    "SchemaChangePolicy",
    "TablePrefix",
    "Targets",
)


def _crawler_settings(properties: Properties) -> dict[str, Any]:
    """The settings as Glue's API takes them: a schedule is its expression."""
    schedule = (properties.get("Schedule") or {}).get("ScheduleExpression")
    return {**picked(properties, *_CRAWLER_SETTINGS), **({"Schedule": schedule} if schedule else {})}


def _make_crawler(place: Place, properties: Properties) -> Made:
    name = properties.get("Name") or place.generated_name(255)
    place.client("glue").create_crawler(
        Name=name,
        **_crawler_settings(properties),
        **({"Tags": tag_table(properties)} if properties.get("Tags") else {}),
    )
    return Made(name)


def _update_crawler(place: Place, made: Made, old: Properties, new: Properties) -> None:
    glue, name = place.client("glue"), made.physical_id
    if differ(old, new, *_CRAWLER_SETTINGS, "Schedule"):
        # UpdateCrawler leaves alone what it is not told
        defaults = {
            "Configuration": "",
            "CrawlerSecurityConfiguration": "",
            "Description": "",
            "Schedule": "",
            "TablePrefix": "",
            "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
            "SchemaChangePolicy": {"DeleteBehavior": "DEPRECATE_IN_DATABASE", "UpdateBehavior": "UPDATE_IN_DATABASE"},
        }
        gone = {key: value for key, value in defaults.items() if key in old and key not in new}
        glue.update_crawler(Name=name, **gone, **_crawler_settings(new))
    arn = place.arn("glue", f"crawler/{name}")
    retag(
        old,
        new,
        lambda tags: glue.tag_resource(ResourceArn=arn, TagsToAdd=tags),
        lambda keys: glue.untag_resource(ResourceArn=arn, TagsToRemove=keys),
    )


def _delete_crawler(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    glue, name = place.client("glue"), made.physical_id
    if glue.get_crawler(Name=name)["Crawler"]["State"] == "RUNNING":
        glue.stop_crawler(Name=name)
    wait_until(f"crawler {name} did not stop", lambda: bool(glue.get_crawler(Name=name)["Crawler"]["State"] == "READY"))
    glue.delete_crawler(Name=name)


def _make_workgroup(place: Place, properties: Properties) -> Made:
    athena, name = place.client("athena"), properties["Name"]
    configuration = properties.get("WorkGroupConfiguration")
    athena.create_work_group(
        Name=name,
        **picked(properties, "Description"),
        **({"Configuration": configuration} if configuration else {}),
        **tag_list(properties),
    )
    return Made(name)


def _configure_workgroup(place: Place, made: Made, properties: Properties) -> None:
    if properties.get("State", "ENABLED") != "ENABLED":
        place.client("athena").update_work_group(WorkGroup=made.physical_id, State=properties["State"])


def _update_workgroup(place: Place, made: Made, old: Properties, new: Properties) -> None:
    athena, name = place.client("athena"), made.physical_id
    if differ(old, new, "Description", "State", "WorkGroupConfiguration"):
        before, after = (item.get("WorkGroupConfiguration", {}) for item in (old, new))
        athena.update_work_group(
            WorkGroup=name,
            Description=new.get("Description", ""),
            State=new.get("State", "ENABLED"),
            **({"ConfigurationUpdates": _workgroup_updates(before, after)} if before != after else {}),
        )
    arn = place.arn("athena", f"workgroup/{name}")
    retag(
        old,
        new,
        lambda tags: athena.tag_resource(
            ResourceARN=arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        ),
        lambda keys: athena.untag_resource(ResourceARN=arn, TagKeys=keys),
    )


def _workgroup_updates(old: Properties, new: Properties) -> dict[str, Any]:
    """The configuration as UpdateWorkGroup takes it (API_WorkGroupConfigurationUpdates.html)."""
    updates = {name: value for name, value in new.items() if name != "ResultConfiguration"}
    if "BytesScannedCutoffPerQuery" in old and "BytesScannedCutoffPerQuery" not in new:
        updates["RemoveBytesScannedCutoffPerQuery"] = True
    before, after = (item.get("ResultConfiguration", {}) for item in (old, new))
    removed = {f"Remove{name}": True for name in before if name not in after}
    if before != after:
        updates["ResultConfigurationUpdates"] = {**after, **removed}
    return updates


def _delete_workgroup(place: Place, made: Made, properties: Properties) -> None:
    recursive = bool(properties.get("RecursiveDeleteOption", False))
    place.client("athena").delete_work_group(WorkGroup=made.physical_id, RecursiveDeleteOption=recursive)


def _make_query(place: Place, properties: Properties) -> Made:
    name = properties.get("Name") or place.generated_name(128)
    same = ("Database", "Description", "QueryString", "WorkGroup")
    query = place.client("athena").create_named_query(Name=name, **picked(properties, *same))["NamedQueryId"]
    return Made(query, {"NamedQueryId": query})


def _delete_query(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("athena").delete_named_query(NamedQueryId=made.physical_id)


TYPES = {
    "AWS::Athena::NamedQuery": ResourceType(_make_query, _delete_query),
    "AWS::Athena::WorkGroup": ResourceType(_make_workgroup, _delete_workgroup, _configure_workgroup, _update_workgroup),
    "AWS::Glue::Crawler": ResourceType(_make_crawler, _delete_crawler, update=_update_crawler),
    "AWS::Glue::Database": ResourceType(_make_database, _delete_database, update=_update_database),
    "AWS::Glue::SecurityConfiguration": ResourceType(_make_security, _delete_security),
    "AWS::Glue::Table": ResourceType(_make_catalog_table, _delete_catalog_table, update=_update_catalog_table),
}
