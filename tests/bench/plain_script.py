"""The baseline: what most people write first. boto3, gzip and json, with threads if asked for.

Reads the queue's messages, drops the noise, POSTs the rest as NDJSON, deletes. Runs until it is killed. It is written
plainly, not badly: clients are made once, deletes are batched, connections are kept.
"""

import argparse
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_plus

import boto3
import urllib3
from botocore.config import Config

from bench.files import is_noise


class PlainScript:
    """A consumer."""

    def __init__(self, endpoint: str, queue_url: str, threads: int) -> None:
        settings = Config(s3={"addressing_style": "path"}, max_pool_connections=threads)
        self._sqs: Any = boto3.client("sqs", endpoint_url=endpoint, region_name="us-east-1")
        self._s3: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=settings)
        self._pool = urllib3.PoolManager(maxsize=threads)
        self._queue_url = queue_url
        self._sink = f"{endpoint}/ingest"
        self._threads = threads

    def run(self) -> None:
        """Collect for ever."""
        # Receives of ten feed the threads; more of them at once would only wait.
        with ThreadPoolExecutor(self._threads) as pool:
            while True:
                batches = [self._receive() for _ in range(max(1, self._threads // 10))]
                for messages in batches:
                    list(pool.map(self._collect, messages))
                    self._delete(messages)

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _collect(self, message: dict[str, Any]) -> None:
        for record in json.loads(message["Body"])["Records"]:
            bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            events = json.loads(gzip.decompress(body))["Records"]
            lines = [json.dumps(event, separators=(",", ":")) + "\n" for event in events if not is_noise(event)]
            if lines and self._pool.request("POST", self._sink, body="".join(lines)).status != 200:
                raise RuntimeError("the sink refused")

    def _delete(self, messages: list[dict[str, Any]]) -> None:
        entries = [{"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(messages)]
        if entries:
            self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.plain_script", description=__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--queue-url", required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    PlainScript(options.endpoint, options.queue_url, options.threads).run()


if __name__ == "__main__":
    _main()
