"""The world of a measured collector in one process: a bucket, a queue that announces its objects, and an HTTP sink.

`python -m bench.server --corpus DIR --objects N` prints its port. The objects stand for the files of the corpus in turn,
each under a key of its own. It is cheap, so that it does not limit what is measured, and honest in what it counts; what
it leaves out (signatures are not checked, one process, no faults) it leaves out for every client alike.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, quote

from bench.files import Corpus, load_corpus
from bench.http_protocol import HttpProtocol, Request, Response
from bench.queue_model import QueueModel
from bench.sqs_service import ACCOUNT, BUCKET, REGION, SqsService

VISIBILITY_TIMEOUT = 300.0
# SQS and a sink near by answer faster than S3 does.
SHARE_OF_OTHERS = 0.25
# Keys in one answer, as S3 has it.
PAGE = 1000
FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/11/21"
_XML = b"Content-Type: application/xml\r\n"
_OBJECT = b'Content-Type: application/json\r\nETag: "bench"\r\nLast-Modified: Sat, 21 Nov 2026 07:43:00 GMT\r\n'


def build_key(number: int) -> str:
    """Return the key of an object."""
    return f"{FOLDER}/{ACCOUNT}_CloudTrail_{REGION}_20261121T0740Z_{number:016}.json.gz"


class World:
    """Answers every request and counts."""

    def __init__(self, corpus: Corpus, objects: int, distance: float) -> None:
        self._distance = distance
        self._bodies = [path.read_bytes() for path in corpus.paths]
        self._sizes = [len(body) for body in self._bodies]
        self.sqs = SqsService(QueueModel(objects, VISIBILITY_TIMEOUT), self._build_notification)
        self._counts = {"gets": 0, "lists": 0, "missing": 0, "posts": 0, "lines": 0, "dead_letters": 0, "bytes": 0}

    def handle(self, request: Request) -> "Response | asyncio.Task[Response]":
        """Answer one request, after the delay that the distance to the real one would make."""
        answer = self._answer(request)
        if not self._distance or request.path.startswith("/bench/"):
            return answer
        delay = self._distance * (1.0 if request.method == "GET" else SHARE_OF_OTHERS)
        return asyncio.ensure_future(_delay(answer, delay))

    def _answer(self, request: Request) -> "Response | asyncio.Task[Response]":
        target = request.headers.get(b"x-amz-target")
        if target is not None:
            return self.sqs.answer(request, target.decode().rpartition(".")[2])
        if request.method == "POST":
            return self._accept(request)
        if request.path.startswith("/bench/"):
            return self._control(request.path)
        if request.path.startswith(f"/{BUCKET}?"):
            return self._list(parse_qs(request.path.partition("?")[2]))
        return self._get_object(request.path)

    def _get_object(self, path: str) -> Response:
        self._counts["gets"] += 1
        folder, _, name = path.rpartition("/")
        digits = name.removesuffix(".json.gz").rpartition("_")[2]
        if folder != f"/{BUCKET}/{FOLDER}" or not digits.isdecimal() or int(digits) >= self.sqs.queue.count:
            self._counts["missing"] += 1
            return Response(404, b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>", _XML)
        body = self._bodies[int(digits) % len(self._bodies)]
        self._counts["bytes"] += len(body)
        return Response(200, body, _OBJECT)

    def _list(self, query: Mapping[str, list[str]]) -> Response:
        """List the folders below a prefix, or a page of the keys of the one folder that there is."""
        self._counts["lists"] += 1
        prefix, after = query.get("prefix", [""])[0], query.get("start-after", [""])[0]
        if "delimiter" in query:
            name = f"{FOLDER}/".removeprefix(prefix).partition("/")[0]
            found = f"<CommonPrefixes><Prefix>{prefix}{name}/</Prefix></CommonPrefixes>"
            return Response(200, _build_listing(found, is_truncated=False), _XML)
        count = self.sqs.queue.count if prefix == f"{FOLDER}/" else 0
        first = int(after.removesuffix(".json.gz").rpartition("_")[2]) + 1 if after else 0
        numbers = range(first, min(first + PAGE, count))
        written = "<LastModified>2026-11-21T07:43:00.000Z</LastModified>"
        entries = [f"<Contents><Key>{build_key(number)}</Key>{written}<Size>1</Size></Contents>" for number in numbers]
        return Response(200, _build_listing("".join(entries), is_truncated=first + PAGE < count), _XML)

    def _accept(self, request: Request) -> Response:
        self._counts["posts"] += 1
        kind = "dead_letters" if request.path == "/dead-letters" else "lines"
        self._counts[kind] += request.body.count(b"\n")
        return Response(200)

    def _control(self, path: str) -> Response:
        if path == "/bench/open":
            self.sqs.open()
        queue = self.sqs.queue
        stats = self._counts | {
            "messages": queue.count,
            "deleted": queue.deleted,
            "received": queue.received,
            "received_again": queue.received_again,
            "in_flight": queue.in_flight,
            "calls": self.sqs.calls,
            "cpu_seconds": time.process_time(),
        }
        return Response(200, json.dumps(stats).encode())

    def _build_notification(self, number: int) -> str:
        """Build a body as S3 writes it, about 800 bytes."""
        key = {"key": quote(build_key(number)), "size": self._sizes[number % len(self._sizes)]}
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": REGION,
            "eventTime": "2026-11-21T07:43:00.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:AROAEXAMPLEEXAMPLEEXA:regionalDeliverySession"},
            "requestParameters": {"sourceIPAddress": "203.0.113.7"},
            "responseElements": {"x-amz-request-id": "EXAMPLE123456789", "x-amz-id-2": "EXAMPLE" * 10},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "trail",
                "bucket": {
                    "name": BUCKET,
                    "ownerIdentity": {"principalId": "EXAMPLE"},
                    "arn": f"arn:aws:s3:::{BUCKET}",
                },
                "object": key | {"eTag": "0123456789abcdef0123456789abcdef", "sequencer": f"00{number:016X}"},
            },
        }
        return json.dumps({"Records": [record]})


def _build_listing(entries: str, *, is_truncated: bool) -> bytes:
    truncated = f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>"
    return f"<ListBucketResult><Name>{BUCKET}</Name>{truncated}{entries}</ListBucketResult>".encode()


async def _delay(answer: "Response | asyncio.Task[Response]", seconds: float) -> Response:
    await asyncio.sleep(seconds)
    return answer if isinstance(answer, Response) else await answer


async def serve(world: World) -> None:
    """Serve on a free port of loopback until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpProtocol(world.handle), "127.0.0.1", 0, backlog=256)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR")
    parser.add_argument("--objects", type=int, required=True, metavar="N")
    parser.add_argument("--distance", type=float, default=0.0, metavar="SECONDS", help="added to each GetObject")
    options = parser.parse_args()
    await serve(World(load_corpus(options.corpus), options.objects, options.distance))


if __name__ == "__main__":
    asyncio.run(_main())
