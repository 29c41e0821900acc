"""AWS's list prices of the requests that collectors make: the one table for estimates of cost.

For us-east-1, before free tiers and discounts. Grafana's dashboards begin with them, and let everybody overwrite them.
"""

from decimal import Decimal

PRICES_OF = "November 2026"
MILLION = 1_000_000

SQS_REQUESTS_USD = Decimal("0.40")
"""A million requests to a standard queue."""
S3_GETS_USD = Decimal("0.40")
"""A million GetObject requests."""
S3_LISTS_USD = Decimal("5.00")
"""A million ListObjectsV2 requests."""
KMS_REQUESTS_USD = Decimal("3.00")
"""A million requests to KMS: one for each object under a key without a bucket key."""
SNS_PUBLISHES_USD = Decimal("0.50")
"""A million publications to a standard topic; their delivery to SQS is free."""
NAT_GIGABYTE_USD = Decimal("0.045")
"""A gigabyte through a NAT gateway."""
ENDPOINT_GIGABYTE_USD = Decimal("0.01")
"""A gigabyte through an interface endpoint; a gateway endpoint for S3 is free."""
