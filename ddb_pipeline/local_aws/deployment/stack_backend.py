"""The stacks of local AWS: which there are, and what may be done to them when.

The work itself is done by a `StackWorker` in a thread of its own, as CloudFormation answers before it has worked.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.exceptions import ServiceException

from ddb_pipeline.local_aws.deployment import template
from ddb_pipeline.local_aws.deployment.intrinsic_functions import Scope, TemplateError
from ddb_pipeline.local_aws.deployment.place import Clients
from ddb_pipeline.local_aws.deployment.stack import Stack
from ddb_pipeline.local_aws.deployment.stacks import StackWorker, scope_of, unchangeable

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_endpoint: list[str] = []
_threads: list[threading.Thread] = []


class ValidationError(ServiceException):
    """A request that CloudFormation refuses."""

    code = "ValidationError"


class AlreadyExistsError(ServiceException):
    """A stack of that name exists."""

    code = "AlreadyExistsException"


def install(endpoint: str) -> None:
    """Tell the stacks where the services are.

    Args:
        endpoint: URL of local AWS, through which the stacks make their resources.
    """
    _endpoint[:] = [endpoint]


def stop() -> None:
    """Wait, for a short time, for stacks that are being worked on."""
    for thread in _threads:
        thread.join(timeout=5)
    _threads.clear()
    _endpoint.clear()


class StackBackend(BaseBackend):
    """The stacks of one account and region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.stacks: dict[str, Stack] = {}
        self._clients: Clients | None = None
        self._lock = threading.RLock()

    @property
    def clients(self) -> Clients:
        """boto3 clients of this region."""
        with self._lock:
            if self._clients is None:
                if not _endpoint:
                    raise ValidationError("local AWS has stopped")
                self._clients = Clients(_endpoint[0], self.region_name)
            return self._clients

    def find(self, name: str) -> Stack:
        """A stack by name or id; deleted ones by id only.

        Raises:
            ValidationError: There is none.
        """
        with self._lock:
            for stack in self.stacks.values():
                if stack.stack_id == name or (stack.name == name and stack.deleted_at is None):
                    return stack
        raise ValidationError(f"Stack with id {name} does not exist")

    def create(self, name: str, text: str, parameters: Mapping[str, str], settings: Mapping[str, Any]) -> Stack:
        """Begin to create a stack."""
        if not _NAME.fullmatch(name):
            raise ValidationError(f"stackName '{name}' must satisfy regular expression pattern: {_NAME.pattern}")
        stack_id = f"arn:aws:cloudformation:{self.region_name}:{self.account_id}:stack/{name}/{uuid.uuid4()}"
        document, scope = self._read(name, stack_id, text, parameters)
        stack = Stack(
            name=name,
            stack_id=stack_id,
            account=self.account_id,
            region=self.region_name,
            text=text,
            document=document,
            scope=scope,
            tags={tag["Key"]: tag["Value"] for tag in settings.get("Tags") or []},
            keeps_failures=bool(settings.get("DisableRollback")) or settings.get("OnFailure") == "DO_NOTHING",
            termination_protection=bool(settings.get("EnableTerminationProtection")),
            created_at=datetime.now(tz=UTC),
        )
        with self._lock:
            if any(other.name == name and other.deleted_at is None for other in self.stacks.values()):
                raise AlreadyExistsError(f"Stack [{name}] already exists")
            self.stacks[stack_id] = stack
        _start(self._worker(stack).create)
        return stack

    def update(self, name: str, text: str | None, parameters: Mapping[str, str]) -> Stack:
        """Begin to update a stack."""
        stack = self.find(name)
        document, scope = self._read(stack.name, stack.stack_id, text or stack.text, parameters)
        with self._lock:
            if stack.status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}:
                raise ValidationError(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")
            if document == stack.document and scope.values == stack.scope.values:
                raise ValidationError("No updates are to be performed.")
            reasons = unchangeable(stack.document, document)
            if reasons:
                raise ValidationError("; ".join(reasons))
            stack.status = "UPDATE_IN_PROGRESS"
        worker = self._worker(stack)
        _start(lambda: worker.update(text or stack.text, document, scope))
        return stack

    def delete(self, name: str) -> None:
        """Begin to delete a stack; one that does not exist is deleted already."""
        try:
            stack = self.find(name)
        except ValidationError:
            return
        if stack.deleted_at is not None:
            return
        with self._lock:
            if stack.is_in_progress:
                raise ValidationError(f"Stack:{stack.stack_id} is in {stack.status} state and can not be deleted.")
            if stack.termination_protection:
                raise ValidationError(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
            stack.status = "DELETE_IN_PROGRESS"
        _start(self._worker(stack).delete)

    def exports(self) -> dict[str, str]:
        """What all stacks export."""
        living = [stack for stack in self.stacks.values() if stack.deleted_at is None]
        return {name: value for stack in living for name, value in stack.exports.items()}

    def _read(self, name: str, stack_id: str, text: str, parameters: Mapping[str, str]) -> tuple[dict[str, Any], Scope]:
        """Read a template as far as nothing needs to be made."""
        pseudo_parameters = {
            "AWS::AccountId": self.account_id,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": self.region_name,
            "AWS::StackId": stack_id,
            "AWS::StackName": name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        try:
            document = template.parse(text)
            template.resources_of(document)
            return document, scope_of(document, pseudo_parameters, parameters, self._parameter, self.exports())
        except TemplateError as error:
            raise ValidationError(str(error)) from error

    def _parameter(self, name: str) -> str:
        try:
            return str(self.clients("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            raise TemplateError(f"Unable to fetch parameters [{name}] from parameter store") from error

    def _worker(self, stack: Stack) -> StackWorker:
        return StackWorker(stack, self.clients, self.exports)


stack_backends: BackendDict[StackBackend] = BackendDict(StackBackend, "cloudformation")


def _start(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work, name="local-aws-stack", daemon=True)
    _threads[:] = [other for other in _threads if other.is_alive()]
    _threads.append(thread)
    thread.start()
