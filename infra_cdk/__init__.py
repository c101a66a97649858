"""Provisions with AWS CDK the path from a DynamoDB table to Athena. Knows nothing of Dagster."""

from infra_cdk.node import use_bundled_node

# here, because jsii starts Node when aws_cdk is imported, and every module of this package is imported after this one
use_bundled_node()
