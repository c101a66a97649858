"""Provisions with AWS CDK the path from a DynamoDB table to Athena. Knows nothing of Dagster."""
