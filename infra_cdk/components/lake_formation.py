"""Grants of Lake Formation, for accounts in which it decides who sees the catalog."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_lakeformation as lakeformation
from constructs import Construct, IDependable

from ddb_pipeline.change_row import STORAGES


@dataclass(frozen=True)
class Grant:
    """What a kind of principal may do with the pipeline's database.

    Attributes:
        database: Permissions on the database.
        tables: Permissions on its tables and views.
        table: The only table that they are on; None: all tables and views, now and later.
    """

    database: tuple[str, ...]
    tables: tuple[str, ...]
    table: str | None = None


# lake-formation/latest/dg/lf-permissions-reference.html. Which of them BatchCreatePartition takes is not said there for
# every case: the crawler gets all that concern the content of a table.
CRAWLER = Grant(("DESCRIBE",), ("ALTER", "DESCRIBE", "INSERT", "SELECT"))
# of JSON too, as with its right to read the schema
DELIVERY = Grant(("DESCRIBE",), ("DESCRIBE", "SELECT"), STORAGES["parquet"].table)
OPERATOR = Grant(("CREATE_TABLE", "DESCRIBE"), ("ALTER", "DELETE", "DESCRIBE", "DROP", "INSERT", "SELECT"))
READER = Grant(("DESCRIBE",), ("DESCRIBE", "SELECT"))


class LakeFormationGrants(Construct):
    """Grants on the database and its tables, beside what IAM allows.

    Needed only where the account took `IAMAllowedPrincipals` out of Lake Formation's defaults. Whoever deploys (the
    CDK's role for CloudFormation) must be a data lake administrator then. The bucket stays with IAM: it is not
    registered with Lake Formation.

    Each grant waits for the one before it, when they are made as when they are taken back. CloudFormation would make
    them all at once, and Lake Formation fails some of them then: ConcurrentModificationException
    (aws-cloudformation/cloudformation-coverage-roadmap, issue 2432), or AlreadyExists for a grant that CloudFormation
    lost sight of (issue 2500).

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        database: Name of the database.
        grants: Principals by the ids that their grants get, each with what it may do: ARNs of roles or users.
        after: What must exist before: the database, its tables, the roles.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        database: str,
        grants: Mapping[str, tuple[str, Grant]],
        after: Sequence[IDependable],
    ) -> None:
        super().__init__(scope, construct_id)
        catalog = Stack.of(self).account
        typed = lakeformation.CfnPrincipalPermissions
        before: Sequence[IDependable] = after
        for name, (principal, grant) in grants.items():
            on_database = typed.DatabaseResourceProperty(catalog_id=catalog, name=database)
            on_tables = typed.TableResourceProperty(
                catalog_id=catalog,
                database_name=database,
                name=grant.table,
                table_wildcard={} if grant.table is None else None,
            )
            for part, resource, permissions in (
                ("Database", typed.ResourceProperty(database=on_database), grant.database),
                ("Tables", typed.ResourceProperty(table=on_tables), grant.tables),
            ):
                made = typed(
                    self,
                    f"{name}{part}",
                    principal=typed.DataLakePrincipalProperty(data_lake_principal_identifier=principal),
                    resource=resource,
                    permissions=list(permissions),
                    permissions_with_grant_option=[],
                )
                made.node.add_dependency(*before)
                before = [made]


def grants_of(
    *, operators: Sequence[str], readers: Sequence[str], crawler_role: str | None, delivery_role: str
) -> dict[str, tuple[str, Grant]]:
    """Return who gets what: those who are declared, and the roles of the stack that touch the catalog.

    Args:
        operators: ARNs of who runs Dagster.
        readers: ARNs of who asks the views.
        crawler_role: ARN of the crawlers' role; None: there are no crawlers.
        delivery_role: ARN of Firehose's role, which reads the columns of Parquet from the catalog.
    """
    return {
        **({"Crawler": (crawler_role, CRAWLER)} if crawler_role else {}),
        "Delivery": (delivery_role, DELIVERY),
        **{f"Operator{_digest(arn)}": (arn, OPERATOR) for arn in operators},
        **{f"Reader{_digest(arn)}": (arn, READER) for arn in readers},
    }


def _digest(arn: str) -> str:
    """What ids are made of: by its place in a list, a grant would become somebody else's when one before it goes."""
    return hashlib.sha256(arn.encode()).hexdigest()[:16]
