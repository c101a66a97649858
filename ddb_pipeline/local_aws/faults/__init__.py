"""Faults of requests, on demand: AWS throttles, fails, stalls, cuts a connection in mid-answer, or is killed.

For tests of clients: every request of a service or an operation, some of them, or the next few. What is wrong with the
records of a change stream is another matter: `change_stream.faults`.

- `rules`: what is to go wrong, and whether it does for the next request. Pure.
- `calls`: which operation of which service a request asks for.
- `errors`: what AWS answers then, by service and operation.
- `serving`: the answer to a request that a fault has struck.
"""

from ddb_pipeline.local_aws.faults.calls import check_exists
from ddb_pipeline.local_aws.faults.rules import Fault, InvalidFaultError
from ddb_pipeline.local_aws.faults.serving import CutError, Faults

__all__ = ["CutError", "Fault", "Faults", "InvalidFaultError", "check_exists"]
