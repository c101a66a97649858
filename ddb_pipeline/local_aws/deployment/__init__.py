"""Deployment: a CloudFormation that makes every resource of the template, and what `cdk deploy` does around it."""

from ddb_pipeline.local_aws.deployment.custom_resources import RESPONSE_PATH, respond
from ddb_pipeline.local_aws.deployment.deploy import DeploymentError, bootstrap, deploy
from ddb_pipeline.local_aws.deployment.stack_backend import install, stop

__all__ = ["RESPONSE_PATH", "DeploymentError", "bootstrap", "deploy", "install", "respond", "stop"]
