"""Addresses of pages in the AWS console, for links in messages and in Dagster's UI."""

from __future__ import annotations

from urllib.parse import quote

# AWS documents one console per partition; regions tell by their names to which partition they belong
_DOMAINS = {"cn-": "amazonaws.cn", "us-gov-": "amazonaws-us-gov.com"}


def query_page(region: str, query_id: str) -> str:
    """Return the address of an Athena query."""
    return f"{_console(region)}/athena/home?region={region}#/query-editor/history/{query_id}"


def log_page(region: str, log_group: str, log_stream: str, pattern: str | None = None) -> str:
    """Return the address of a CloudWatch log stream.

    Args:
        region: Its region.
        log_group: Its group.
        log_stream: Its name.
        pattern: Text that the events shown must have; all events by default.
    """
    search = f"?filterPattern={quote(chr(34) + pattern + chr(34), safe='')}" if pattern else ""
    events = f"log-group/{_twice(log_group)}/log-events/{_twice(log_stream)}{_fragment(search)}"
    return f"{_console(region)}/cloudwatch/home?region={region}#logsV2:log-groups/{events}"


def _console(region: str) -> str:
    domain = next((name for start, name in _DOMAINS.items() if region.startswith(start)), "aws.amazon.com")
    return f"https://{region}.console.{domain}"


def _twice(name: str) -> str:
    """A name as the page of CloudWatch wants it: percent-encoded twice, the second time with `$` for `%`."""
    return quote(quote(name, safe=""), safe="").replace("%", "$")


def _fragment(text: str) -> str:
    return quote(text, safe="").replace("%", "$")
