"""List prices that estimates are made with: of us-east-1 and eu-central-1, in USD, as AWS published them in 2025.

Other regions cost more, and discounts, taxes and free tiers are not in them: a resource takes another price as a
setting (AWS Glue pricing, AWS Athena pricing).
"""

DPU_HOUR_DOLLARS = 0.44
"""A Glue crawler: an hour of one data processing unit."""
CRAWL_BILLED_SECONDS_AT_LEAST = 600
"""Each crawl is billed for ten minutes at least."""

TERABYTE_SCANNED_DOLLARS = 5.0
"""Athena: a terabyte that queries scan."""
TERABYTE = 10**12
QUERY_BILLED_BYTES_AT_LEAST = 10 * 10**6
"""Each query that scans is billed for 10 MB at least."""
