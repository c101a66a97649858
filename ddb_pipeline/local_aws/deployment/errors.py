"""How CloudFormation refuses a request."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class ValidationError(ServiceException):
    """A request that CloudFormation refuses."""

    code = "ValidationError"


class AlreadyExistsError(ServiceException):
    """A stack of that name exists."""

    code = "AlreadyExistsException"


class ChangeSetNotFoundError(ServiceException):
    """There is no such change set."""

    code = "ChangeSetNotFound"


class InvalidChangeSetStatusError(ServiceException):
    """The change set, or its stack, is in a state that does not allow this."""

    code = "InvalidChangeSetStatus"
