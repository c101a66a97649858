"""The sensors: each tick asks AWS or Dagster what happened, and tells of it or asks for a run."""
