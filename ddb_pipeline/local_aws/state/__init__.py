"""State that outlives the process: everything that local AWS has answered for is on disk before the answer leaves."""

from ddb_pipeline.local_aws.state.keeper import Keeper
from ddb_pipeline.local_aws.state.store import StateError

__all__ = ["Keeper", "StateError"]
