"""moto's objects as bytes: whole, but for locks and threads, and for what is kept record by record.

A service refers to another one by name, so that both stay one object each when they come back.
Never read bytes from elsewhere with this: what is unpickled can run code.
"""

from __future__ import annotations

import importlib
import io
import marshal
import pickle
import threading
import uuid
import weakref
from collections import defaultdict, deque
from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from moto.core.base_backend import BackendDict, BaseBackend
from moto.dynamodb.models.table import Table
from moto.logs.models import LogStream
from moto.s3.models import FakeBucket, FakeKey

from ddb_pipeline.local_aws.change_stream.recovery import History
from ddb_pipeline.local_aws.change_stream.shards import IndexedShard
from ddb_pipeline.local_aws.state.services import backends_of

LEFT_OUT: dict[str, frozenset[str]] = {
    "athena": frozenset({"query_executions", "_engine"}),
    "cloudformation": frozenset({"_clients"}),
    "firehose": frozenset({"workers"}),
    "kinesis": frozenset({"incoming"}),
}
"""Attributes of the services that are made anew: what runs, and what is only about what ran."""

_ANEW: dict[type, Callable[[], Any]] = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
    threading.Condition: threading.Condition,
    threading.Event: threading.Event,
}

BODY = "local_aws_body"
"""Attribute of a moto key: the id under which its bytes are kept, and the etag that they had then."""

KeepBody = Callable[[str, FakeKey], None]


def backend_content(service: str, backend: BaseBackend, keep_body: KeepBody) -> bytes:
    """A service's state in one account and region.

    Args:
        service: moto's name of it.
        backend: The state.
        keep_body: Is told of each object that belongs to it (parts of an upload, say) and the id of its bytes.
    """
    left_out = LEFT_OUT.get(service, frozenset())
    state = {
        name: value
        for name, value in vars(backend).items()
        if name not in left_out and not isinstance(value, tuple(_ANEW))
    }
    return dumps(state, keep_body)


def dumps(value: Any, keep_body: KeepBody) -> bytes:
    """A value as bytes."""
    content = io.BytesIO()
    _Pickler(content, keep_body).dump(value)
    return content.getvalue()


def loads(content: bytes, body: Callable[[str], bytes]) -> Any:
    """The value again.

    Args:
        content: What `dumps` made.
        body: Gives the bytes of an object by their id.
    """
    return _Unpickler(io.BytesIO(content), body).load()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, keep_body: KeepBody) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._keep_body = keep_body
        self._places = {
            id(backend): (backends.service_name, account, region)
            for backends in vars(BackendDict)["_instances"]
            for account, region, backend in list(backends.iter_backends())
        }

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, BaseBackend) and id(value) in self._places:
            return ("backend", *self._places[id(value)])
        if isinstance(value, FakeKey):
            return ("key", self._state_of(value))
        return None

    def _state_of(self, key: FakeKey) -> dict[str, Any]:
        body_id, etag = getattr(key, BODY, (None, None))
        if body_id is None or etag != key.etag:
            body_id = uuid.uuid4().hex
            setattr(key, BODY, (body_id, key.etag))
        self._keep_body(body_id, key)
        return {name: value for name, value in vars(key).items() if name not in {"_value_buffer", "lock"}}

    def reducer_override(self, value: Any) -> Any:
        anew = _ANEW.get(type(value))
        if anew is not None:
            return anew, ()
        for kind, change in _WITHOUT.items():
            if isinstance(value, kind):
                return _rebuilt, (type(value), {**vars(value), **change})
        return next((reduce(value) for kind, reduce in _REDUCED.items() if isinstance(value, kind)), NotImplemented)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, body: Callable[[str], bytes]) -> None:
        super().__init__(file)
        self._body = body

    def persistent_load(self, identity: Any) -> Any:
        kind, *rest = identity
        if kind == "key":
            return self._key(rest[0])
        service, account, region = rest
        return backends_of(service)[account][region]

    def _key(self, state: dict[str, Any]) -> FakeKey:
        key = FakeKey(state["name"], self._body(state[BODY][0]), state["account_id"], state["region_name"])
        vars(key).update(state)
        return key


def _rebuilt(kind: type, state: dict[str, Any]) -> Any:
    value: Any = object.__new__(kind)
    vars(value).update(state)
    return value


def _table(kind: type[defaultdict[Any, Any]], make: Callable[[], Any] | None, state: dict[str, Any]) -> Any:
    # its own __init__ may want what is in the state already
    value: Any = kind.__new__(kind)
    defaultdict.__init__(value, make)
    vars(value).update(state)
    return value


def _private_key(content: bytes) -> PrivateKeyTypes:
    return load_der_private_key(content, None)


def _function(module: str, code: bytes, defaults: tuple[Any, ...] | None, held: list[Any]) -> FunctionType:
    cells = tuple(CellType(value) for value in held)
    return FunctionType(marshal.loads(code), vars(importlib.import_module(module)), "made", defaults, cells)  # noqa: S302


def _nothing() -> None:
    """What a thread comes back as."""


def _reduced_table(value: defaultdict[Any, Any]) -> Any:
    if type(value) is defaultdict:
        return NotImplemented
    return _table, (type(value), value.default_factory, vars(value)), None, None, iter(value.items())


def _reduced_function(value: FunctionType) -> Any:
    # moto's tables of tables make their members with functions that have no name
    if "<locals>" not in value.__qualname__:
        return NotImplemented
    held = [cell.cell_contents for cell in value.__closure__ or ()]
    return _function, (value.__module__, marshal.dumps(value.__code__), value.__defaults__, held)


def _reduced_private_key(value: Any) -> Any:
    return _private_key, (value.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),)


# what pickle cannot do by itself
_REDUCED: dict[Any, Callable[[Any], Any]] = {
    threading.Thread: lambda _value: (_nothing, ()),
    weakref.WeakValueDictionary: lambda value: (weakref.WeakValueDictionary, (dict(value),)),
    defaultdict: _reduced_table,
    FunctionType: _reduced_function,
    PrivateKeyTypes: _reduced_private_key,
}

# kept record by record, or not at all: the service's own log of what it did, and what a table held in the past
_WITHOUT: dict[type, dict[str, Any]] = {
    Table: {"items": None},
    IndexedShard: {"_kept": {}},
    FakeBucket: {"keys": None},
    LogStream: {"events": []},
    History: {"_changes": deque()},
}
