"""What is to go wrong with which requests. Pure: no server, no clock."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args

from ddb_pipeline.local_aws.fault_text import NoValueError, settings_in

Kind = Literal["throttle", "fail", "expire", "stall", "cut", "kill"]

_KINDS: tuple[str, ...] = get_args(Kind)
_OF_SOME_KINDS = {
    "code": ("fail",),
    "status": ("fail",),
    "message": ("fail",),
    "seconds": ("stall",),
    "carried_out": ("fail", "stall", "kill"),
}
_STATUSES = range(400, 600)
_LONGEST_STALL_SECONDS = 3600
_LARGEST = 2**31


class InvalidFaultError(ValueError):
    """The settings of a fault are none that exist."""


class Call(NamedTuple):
    """What a request asks for: boto3's name of the service, and the operation as AWS writes it, "" if unknown."""

    service: str
    operation: str


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: `throttle`: refused as too frequent, in the way of the service. `fail`: refused with `code` and `status`,
            by default with what the service calls an error of its own. `expire`: refused, since the credentials have
            expired. `stall`: answered after `seconds` only. `cut`: carried out, but the connection ends in the middle
            of the answer. `kill`: the process of local AWS ends by SIGKILL.
        service: boto3's name of a service; any by default.
        operation: An operation, such as `ListObjectsV2`; any of the service by default.
        count: How many requests it strikes at most; without end by default.
        skip: How many requests that it could strike pass before.
        rate: From 0 to 1, which share of them it strikes.
        seed: Chooses one of the possible sequences.
        code: AWS's code of the error, for `fail`.
        status: HTTP status of the error, for `fail`: 400 to 599.
        message: What the error says, for `fail`.
        seconds: How long a stall lasts.
        carried_out: For `fail`, `stall` and `kill`: the operation is carried out before; only its answer is concerned.
    """

    kind: Kind
    service: str = ""
    operation: str = ""
    count: int | None = None
    skip: int = 0
    rate: float = 1.0
    seed: int = 0
    code: str = ""
    status: int | None = None
    message: str = ""
    seconds: float = 0.0
    carried_out: bool = False

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InvalidFaultError(f"the kind of a fault is one of {', '.join(_KINDS)}, not {self.kind!r}")
        for name in ("service", "operation", "code", "message"):
            if not isinstance(getattr(self, name), str):
                raise InvalidFaultError(f"{name} is text, not {getattr(self, name)!r}")
        if self.operation and not self.service:
            raise InvalidFaultError(f"say which service has the operation {self.operation}")
        _check_number("rate", self.rate, 0, 1, int | float)
        _check_number("skip", self.skip, 0, _LARGEST)
        _check_number("seed", self.seed, 0, _LARGEST)
        if self.count is not None:
            _check_number("count", self.count, 1, _LARGEST)
        if self.status is not None:
            _check_number("status", self.status, _STATUSES.start, _STATUSES.stop - 1)
        _check_number("seconds", self.seconds, 0, _LONGEST_STALL_SECONDS, int | float)
        if not isinstance(self.carried_out, bool):
            raise InvalidFaultError(f"carried_out is true or false, not {self.carried_out!r}")
        for name, kinds in _OF_SOME_KINDS.items():
            if name in self.settings() and self.kind not in kinds:
                raise InvalidFaultError(f"{name} is of kind {', '.join(kinds)}, not of kind {self.kind}")

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Fault:
        """Make one of a JSON object with these names.

        Raises:
            InvalidFaultError: A name or a value is none that exists.
        """
        known = [one.name for one in fields(cls)]
        for name in settings:
            if name not in known:
                raise InvalidFaultError(f"there is no setting {name!r} of a fault; there are {', '.join(known)}")
        if "kind" not in settings:
            raise InvalidFaultError(f"a fault has a kind: {', '.join(_KINDS)}")
        return cls(**settings)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Make one of text such as `throttle,service=glue,operation=StartCrawler,count=3`.

        Raises:
            InvalidFaultError: The text is none like that, or a name or a value is none that exists.
        """
        kind, _, rest = text.partition(",")
        try:
            settings = settings_in(rest)
        except NoValueError as error:
            raise InvalidFaultError(
                f"a fault is written kind,name=value,name=value; {str(error)!r} has no value"
            ) from None
        return cls.of({"kind": kind.strip(), **settings})

    def settings(self) -> dict[str, Any]:
        """What differs from the defaults, as a JSON object."""
        defaults = {one.name: one.default for one in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    def concerns(self, call: Call) -> bool:
        """Whether it can strike a request for this."""
        return self.service in {"", call.service} and self.operation in {"", call.operation}


@dataclass
class Standing:
    """A fault, and what came of it so far.

    Attributes:
        fault: The fault.
        met: Requests that it could have struck.
        struck: Those that it did strike.
    """

    fault: Fault
    met: int = 0
    struck: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.fault.seed)

    def strikes(self, call: Call) -> bool:
        """Whether it strikes the next request, which asks for this."""
        fault = self.fault
        if not fault.concerns(call):
            return False
        self.met += 1
        # one draw for each request, whatever comes of it
        is_chosen = self._random.random() < fault.rate
        is_over = fault.count is not None and self.struck >= fault.count
        if self.met <= fault.skip or is_over or not is_chosen:
            return False
        self.struck += 1
        return True


def _check_number(name: str, value: Any, least: float, most: float, kind: Any = int) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
        what = "a whole number" if kind is int else "a number"
        raise InvalidFaultError(f"{name} is {what} from {least} to {most}, not {value!r}")
