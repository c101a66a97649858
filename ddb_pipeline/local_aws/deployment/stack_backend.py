"""The stacks of local AWS: which there are, and what may be done to them when.

The work itself is done by a `StackWorker` in a thread of its own, as CloudFormation answers before it has worked.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from botocore.exceptions import ClientError
from moto.core.base_backend import BackendDict, BaseBackend

from ddb_pipeline.local_aws.deployment import custom_resources, template
from ddb_pipeline.local_aws.deployment.change_set import NO_CHANGES, ChangeSet
from ddb_pipeline.local_aws.deployment.errors import (
    AlreadyExistsError,
    ChangeSetNotFoundError,
    InvalidChangeSetStatusError,
    ValidationError,
)
from ddb_pipeline.local_aws.deployment.intrinsic_functions import TemplateError
from ddb_pipeline.local_aws.deployment.place import Clients
from ddb_pipeline.local_aws.deployment.plan import plan
from ddb_pipeline.local_aws.deployment.stack import Request, Stack, Wanted
from ddb_pipeline.local_aws.deployment.stack_rules import (
    NAME,
    changes_anything,
    interrupted,
    on_failure,
    refuse_other_types,
    refuse_update,
    tags_of,
)
from ddb_pipeline.local_aws.deployment.stacks import StackWorker, is_made

LOG = logging.getLogger(__name__)

_endpoint: list[str] = []
_threads: list[threading.Thread] = []


def install(endpoint: str) -> None:
    """Tell the stacks where the services are.

    Args:
        endpoint: URL of local AWS, through which the stacks make their resources.
    """
    _endpoint[:] = [endpoint]


def stop() -> None:
    """Wait, for a short time, for stacks that are being worked on."""
    custom_resources.stop()
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

    def create(self, name: str, request: Request) -> Stack:
        """Begin to create a stack."""
        stack = self._new(name, request)
        with self._lock:
            self._add(stack)
        self._work(stack, self._worker(stack).create)
        return stack

    def update(self, name: str, request: Request) -> Stack:
        """Begin to update a stack."""
        stack = self.find(name)
        wanted = self._wanted(stack, request)
        with self._lock:
            refuse_update(stack)
            refuse_other_types(stack, wanted)
            if not changes_anything(stack, wanted):
                raise ValidationError("No updates are to be performed.")
            stack.status = "UPDATE_IN_PROGRESS"
        worker = self._worker(stack)
        self._work(stack, lambda: worker.update(wanted))
        return stack

    def delete(self, name: str, retained: Collection[str] = ()) -> None:
        """Begin to delete a stack; one that does not exist is deleted already.

        Args:
            name: Name or id.
            retained: Logical ids of resources that could not be deleted before, and stay.
        """
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
            if retained and stack.status != "DELETE_FAILED":
                raise ValidationError(
                    f"Invalid operation on stack [{stack.stack_id}]. When you delete a stack, specify which resources "
                    "to retain only when the stack is in the DELETE_FAILED state."
                )
            for logical_id in retained:
                stack.existing.pop(logical_id, None)
            stack.status = "DELETE_IN_PROGRESS"
        self._work(stack, self._worker(stack).delete)

    def protect(self, name: str, *, enabled: bool) -> Stack:
        """Switch a stack's termination protection."""
        stack = self.find(name)
        stack.termination_protection = enabled
        return stack

    def create_change_set(self, stack_name: str, name: str, request: Request) -> tuple[Stack, ChangeSet]:
        """Work out what a template would change, for a stack that is or that is to be."""
        kind = str(request.settings.get("ChangeSetType") or "UPDATE")
        if kind == "CREATE":
            stack = self._reviewed(stack_name, request)
        else:
            stack = self.find(stack_name)
            refuse_update(stack)
        if not NAME.fullmatch(name):
            raise ValidationError(f"changeSetName '{name}' must satisfy regular expression pattern: {NAME.pattern}")
        if any(other.name == name for other in stack.change_sets.values()):
            raise AlreadyExistsError(
                f"ChangeSet {name} cannot be created due to a mismatch with existing attribute Name"
            )
        wanted = self._wanted(stack, request)
        refuse_other_types(stack, wanted)
        old = stack.now.document if stack.existing else {"Resources": {}}
        planned = plan(old, stack.existing, wanted.document, wanted.scope, is_made)
        change_set = ChangeSet(
            name=name,
            change_set_id=f"{stack.stack_id.replace(':stack/', ':changeSet/').split('/', 1)[0]}/{name}/{uuid.uuid4()}",
            description=request.settings.get("Description"),
            wanted=wanted,
            kind=kind,
            created_at=datetime.now(tz=UTC),
            changes=planned.changes,
        )
        if kind != "CREATE" and not changes_anything(stack, wanted):
            change_set.status, change_set.execution_status, change_set.reason = "FAILED", "UNAVAILABLE", NO_CHANGES
        stack.change_sets[change_set.change_set_id] = change_set
        return stack, change_set

    def find_change_set(self, name: str, stack_name: str | None) -> tuple[Stack, ChangeSet]:
        """A change set by its id, or by its name and its stack's.

        Raises:
            ChangeSetNotFoundError: There is none.
        """
        if not stack_name and not name.startswith("arn:"):
            raise ValidationError("StackName must be specified if ChangeSetName is not specified as an ARN.")
        stacks = [self.find(stack_name)] if stack_name else list(self.stacks.values())
        for stack in stacks:
            for change_set in stack.change_sets.values():
                if name in {change_set.name, change_set.change_set_id}:
                    return stack, change_set
        raise ChangeSetNotFoundError(f"ChangeSet [{name}] does not exist")

    def execute_change_set(self, name: str, stack_name: str | None, *, keeps_failures: bool | None) -> None:
        """Begin to bring about what a change set says; the stack's other change sets are void from then on.

        Args:
            name: Name or id of the change set.
            stack_name: Name or id of its stack, None with an id.
            keeps_failures: Whether what was done before a failure is kept; None as the change set says.
        """
        stack, change_set = self.find_change_set(name, stack_name)
        with self._lock:
            if change_set.execution_status != "AVAILABLE":
                raise InvalidChangeSetStatusError(
                    f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status of "
                    f"[{change_set.status}]"
                )
            if change_set.kind == "CREATE":
                if stack.status != "REVIEW_IN_PROGRESS":
                    raise InvalidChangeSetStatusError(f"Stack [{stack.name}] is in {stack.status} state")
                stack.status = "CREATE_IN_PROGRESS"
            else:
                refuse_update(stack)
                stack.status = "UPDATE_IN_PROGRESS"
            change_set.execution_status = "EXECUTE_IN_PROGRESS"
            stack.change_sets = {change_set.change_set_id: change_set}
        wanted = change_set.wanted
        if keeps_failures is not None:
            wanted = replace(wanted, on_failure="DO_NOTHING" if keeps_failures else "ROLLBACK")
        worker = self._worker(stack)

        def work() -> None:
            if change_set.kind == "CREATE":
                stack.now = wanted
                worker.create()
            else:
                worker.update(wanted)
            succeeded = stack.status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
            change_set.execution_status = "EXECUTE_COMPLETE" if succeeded else "EXECUTE_FAILED"

        self._work(stack, work)

    def delete_change_set(self, name: str, stack_name: str | None) -> None:
        """Delete a change set; one that does not exist is deleted already."""
        try:
            stack, change_set = self.find_change_set(name, stack_name)
        except ChangeSetNotFoundError:
            return
        if change_set.execution_status == "EXECUTE_IN_PROGRESS":
            raise InvalidChangeSetStatusError(f"ChangeSet [{name}] is being executed")
        del stack.change_sets[change_set.change_set_id]

    def resume(self) -> None:
        """Go on in another process: a stack that was worked on stays as it is, in a state that says so."""
        for stack in self.stacks.values():
            if stack.is_in_progress:
                stack.show(interrupted(stack.status), "local AWS ended while it worked on the stack")

    def exports(self) -> dict[str, str]:
        """What all stacks export."""
        living = [stack for stack in self.stacks.values() if stack.deleted_at is None]
        return {name: value for stack in living for name, value in stack.exports.items()}

    def _add(self, stack: Stack) -> None:
        if any(other.name == stack.name and other.deleted_at is None for other in self.stacks.values()):
            raise AlreadyExistsError(f"Stack [{stack.name}] already exists")
        self.stacks[stack.stack_id] = stack

    def _new(self, name: str, request: Request) -> Stack:
        if not NAME.fullmatch(name):
            raise ValidationError(f"stackName '{name}' must satisfy regular expression pattern: {NAME.pattern}")
        stack_id = f"arn:aws:cloudformation:{self.region_name}:{self.account_id}:stack/{name}/{uuid.uuid4()}"
        return Stack(
            name=name,
            stack_id=stack_id,
            account=self.account_id,
            region=self.region_name,
            now=self._read(name, stack_id, request, tags_of(request.settings) or {}),
            termination_protection=bool(request.settings.get("EnableTerminationProtection")),
            created_at=datetime.now(tz=UTC),
        )

    def _reviewed(self, name: str, request: Request) -> Stack:
        """The stack of a change set that creates one: it has no resources yet."""
        with self._lock:
            for other in self.stacks.values():
                if name in {other.name, other.stack_id} and other.deleted_at is None:
                    if other.status == "REVIEW_IN_PROGRESS":
                        return other
                    raise ValidationError(
                        f"Stack [{name}] already exists and cannot be created again with the changeSet"
                    )
            stack = self._new(name, request)
            self._add(stack)
            stack.show("REVIEW_IN_PROGRESS", "User Initiated")
            return stack

    def _wanted(self, stack: Stack, request: Request) -> Wanted:
        tags = tags_of(request.settings)
        return self._read(stack.name, stack.stack_id, request, stack.now.tags if tags is None else tags, stack.now.text)

    def _read(
        self, name: str, stack_id: str, request: Request, tags: Mapping[str, str], previous: str | None = None
    ) -> Wanted:
        """Read a template as far as nothing needs to be made."""
        text = request.text or previous
        if text is None:
            raise ValidationError("Either Template URL or Template Body must be specified.")
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
            scope = template.scope_of(document, pseudo_parameters, request.parameters, self._parameter, self.exports())
        except TemplateError as error:
            raise ValidationError(str(error)) from error
        return Wanted(text, document, scope, dict(request.parameters), dict(tags), on_failure(request.settings))

    def _parameter(self, name: str) -> str:
        try:
            return str(self.clients("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            raise TemplateError(f"Unable to fetch parameters [{name}] from parameter store") from error

    def _worker(self, stack: Stack) -> StackWorker:
        return StackWorker(stack, self.clients, self.exports)

    @staticmethod
    def _work(stack: Stack, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # a stack must not stay in progress for ever
                LOG.exception("stack %s", stack.name)
                status = stack.status.removesuffix("_CLEANUP_IN_PROGRESS").removesuffix("_IN_PROGRESS")
                stack.show(f"{status}_FAILED", f"local AWS failed: {type(error).__name__}: {error}")

        thread = threading.Thread(target=guarded, name="local-aws-stack", daemon=True)
        _threads[:] = [other for other in _threads if other.is_alive()]
        _threads.append(thread)
        thread.start()


stack_backends: BackendDict[StackBackend] = BackendDict(StackBackend, "cloudformation")
