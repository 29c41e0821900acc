"""What AWS asks for collecting, estimated from what collectors do: requests to SQS, S3's sends to it, and GetObject.

List prices, which Grafana lets everybody overwrite. Not in it: KMS, traffic through NAT gateways, pods, the trail itself.
"""

from cloudtrail_spec.prices import PRICES_OF, S3_GETS_USD, SQS_REQUESTS_USD
from observability.grafana import Figure, Panel, Query, Row
from observability.queries import sum_rate

PRICES = (
    Figure("sqs_price", "USD per million SQS requests", str(SQS_REQUESTS_USD)),
    Figure("get_price", "USD per million S3 GETs", str(S3_GETS_USD)),
)
_DAY = 86400
_SQS = (
    f"({sum_rate('aws_request_duration_seconds_count')} + {sum_rate('sqs_messages_received_total')})"
    " * $sqs_price / 1000000"
)
_FETCHED = sum_rate("files_processed_total", labels='outcome!="skipped"')
_GETS = f"{_FETCHED} * $get_price / 1000000"
_READ = sum_rate("file_uncompressed_bytes_total")
_STORED = sum_rate("file_compressed_bytes_total")
_FILES = sum_rate("files_processed_total", labels='outcome="read"')
_WHAT = f"At list prices of {PRICES_OF}, which the fields above change. Without KMS, NAT gateways and pods."


def build_row() -> Row:
    """Build the row of a dashboard that has the variables PRICES."""
    return Row(
        "Cost (estimate)",
        [
            Panel(
                title="Cost per day",
                description=f"Requests to SQS, one send by S3 for each message, and one GetObject for each file. {_WHAT}",
                queries=[Query(f"{_SQS} * {_DAY}", "SQS"), Query(f"{_GETS} * {_DAY}", "S3")],
                unit="currencyUSD",
                stacked=True,
            ),
            Panel(
                title="Cost per terabyte of events",
                description=f"The same by bytes after decompression: small log files make it dear. {_WHAT}",
                queries=[Query(f"({_SQS} + {_GETS}) / {_READ} * 1e12", "per TB")],
                unit="currencyUSD",
            ),
            Panel(
                title="Compression",
                description="Bytes after decompression for each byte in the bucket.",
                queries=[Query(f"{_READ} / {_STORED}", "ratio")],
                unit="none",
                width=4,
            ),
            Panel(
                title="Size of log files",
                description="Mean size as stored. Every file costs a message and a GetObject, whatever its size.",
                queries=[Query(f"{_STORED} / {_FILES}", "mean")],
                unit="bytes",
                width=4,
            ),
        ],
    )
