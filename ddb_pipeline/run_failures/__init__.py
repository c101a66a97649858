"""Runs that failed are told: in Dagster's log always, and to whom a notifier tells it.

- `described`: what failed and why, in words.
- `notifiers`: who is told; another one takes its place as the resource `notifier`.

`sensors/failures.py` notices.
"""
