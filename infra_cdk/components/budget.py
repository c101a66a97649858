"""The monthly budget of the stack, whose alarms AWS sends by mail."""

from __future__ import annotations

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from ddb_pipeline.names import DEPLOYMENT_TAG, ComputedNames

WARNINGS = (("ACTUAL", 80), ("FORECASTED", 100), ("ACTUAL", 100))
"""When a mail is sent: what is compared, with how many percent of the budget. Ten are allowed."""


class Budget(Construct):
    """A budget of costs that carry the stack's tag.

    AWS counts by a tag only after it was activated as a cost-allocation tag in the payer's account; until then the
    budget stays at nothing (docs/cost.md). It warns and stops nothing. Its name comes from CloudFormation, which makes
    another budget when the warnings change.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Name of the stack.
        limit_usd: Dollars a month.
        mail: Where the warnings go.
    """

    def __init__(self, scope: Construct, construct_id: str, *, names: ComputedNames, limit_usd: int, mail: str) -> None:
        super().__init__(scope, construct_id)
        subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="EMAIL", address=mail)
        budgets.CfnBudget(
            self,
            "Monthly",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=limit_usd, unit="USD"),
                # cost-management/latest/userguide/budgets-create-filters.html: user:<key>$<value>
                cost_filters={"TagKeyValue": [f"user:{DEPLOYMENT_TAG}${names.stack}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, percent in WARNINGS
            ],
        )
