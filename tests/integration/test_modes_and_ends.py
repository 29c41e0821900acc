"""Mode Test, the end of a process, and what it says when AWS refuses."""

import json
import signal
import subprocess
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from integration.collector_process import PROGRAM, Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.queues import count_messages, ids_of, is_empty, put, set_visibility_timeout
from localcluster.aws import AwsEndpoint
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.faults import Delay, Where
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import generate_log_files


def test_mode_test_delivers_once_deletes_nothing_and_gives_back(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    set_visibility_timeout(aws, storage, 4)
    files = list(generate_log_files(25, seed=31))
    put(aws, storage, *files)
    collector = start(mode="Test", test={"maxMessages": 20})
    wait_until(lambda: collector.read_status()["state"] == "Holding", "the bound to be reached")
    held = collector.count_events()
    assert collector.read_status()["messages"]["held"] == 20
    wait_until(lambda: count_messages(aws, storage.queue_url) == (5, 20), "five messages to be left")
    assert collector.stop() == 0
    assert collector.count_events() == held
    assert set(held.values()) == {1}
    assert count_messages(aws, storage.queue_url) == (25, 0)


def test_t15_sigterm_finishes_what_is_in_work_and_gives_back_the_rest(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    files = list(generate_log_files(9, seed=32))
    proxy.put("slow", Delay(4), Where(action="GetObject", key="AWSLogs/*.json.gz"))
    put(aws, storage, *files)
    collector = start({"CLOUDTRAIL_WORKERS": "1"}, endpointUrl=proxy.url)
    wait_until(lambda: collector.read_status()["messages"]["inFlight"] == 9, "all messages to be received")
    collector.signal(signal.SIGTERM)
    wait_until(lambda: count_messages(aws, storage.queue_url) == (8, 1), "what nobody began to be given back")
    assert collector.read_status()["state"] == "Draining"
    assert collector.wait() == 0
    assert count_messages(aws, storage.queue_url) == (8, 0)
    assert sum(collector.count_events().values()) in {len(file.event_ids) for file in files}


def test_t15_sigterm_waits_for_the_sink_that_has_what_was_read(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    files = list(generate_log_files(9, seed=33))
    sink.gate.clear()
    put(aws, storage, *files)
    collector = start(sinks=[to_sink(sink)])
    wait_until(lambda: collector.read_status()["files"]["read"] == 0 and sink.arrived.is_set(), "the first to ship")
    wait_until(lambda: collector.read_status()["messages"]["inFlight"] == 9, "all messages to be received")
    collector.signal(signal.SIGTERM)
    sink.gate.set()
    assert collector.wait() == 0
    assert is_empty(aws, storage)
    assert sink.count_events() == ids_of(*files)


def test_t15_what_does_not_end_in_time_is_given_back(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    sink.gate.clear()
    put(aws, storage, *generate_log_files(1, seed=33))
    collector = start({"CLOUDTRAIL_DRAIN_SECONDS": "6"}, sinks=[to_sink(sink)])
    assert sink.arrived.wait(20)
    assert collector.stop() == 0
    assert count_messages(aws, storage.queue_url) == (1, 0)


def test_a_second_signal_ends_at_once(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    sink.gate.clear()
    put(aws, storage, *generate_log_files(1, seed=34))
    collector = start({"CLOUDTRAIL_DRAIN_SECONDS": "60"}, sinks=[to_sink(sink)])
    assert sink.arrived.wait(20)
    collector.signal(signal.SIGTERM)
    wait_until(lambda: collector.read_status()["state"] == "Draining", "the drain to begin")
    collector.signal(signal.SIGTERM)
    assert collector.wait(10) == 1
    # It is given back at once. Its own last request to receive, which nobody hears any more, may still get it.
    assert sum(count_messages(aws, storage.queue_url)) == 1


def test_a_missing_queue_is_named_and_its_return_is_noticed(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    name = f"{storage.bucket}-late"
    arn = f"arn:aws:sqs:{aws.region}:{aws.account_id}:{name}"
    collector = start(queueArn=arn)
    wait_until(lambda: collector.read_check("QueueReachable")["status"] == "False", "the check to fail")
    check = collector.read_check("QueueReachable")
    assert check["reason"] == "QueueNotFound"
    assert f"sqs:ReceiveMessage on {arn}" in check["message"]
    assert collector.get("/readyz") == "ok\n"
    aws.client("sqs").create_queue(QueueName=name)
    wait_until(lambda: collector.read_check("QueueReachable")["status"] == "True", "the queue to be found", 30)


def test_a_missing_bucket_is_named(storage: TrailStorage, start: Start) -> None:
    collector = start(bucket=f"{storage.bucket}-nowhere")
    wait_until(lambda: collector.read_check("BucketReadable")["status"] == "False", "the check to fail")
    check = collector.read_check("BucketReadable")
    assert check["reason"] == "BucketNotFound"
    assert f"s3:GetObject on arn:aws:s3:::{storage.bucket}-nowhere" in check["message"]


def test_an_endpoint_that_does_not_answer_is_told_apart(start: Start) -> None:
    collector = start(endpointUrl="http://127.0.0.1:9")
    wait_until(lambda: collector.read_check("QueueReachable")["status"] == "False", "the check to fail")
    assert collector.read_check("QueueReachable")["reason"] == "EndpointUnreachable"


def test_missing_credentials_are_told_apart(start: Start) -> None:
    collector = start({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": "/nonexistent"})
    wait_until(lambda: collector.read_check("CredentialsValid")["status"] == "False", "the check to fail")
    assert collector.read_check("CredentialsValid")["reason"] == "CredentialsRejected"


class _DenyingServer(ThreadingHTTPServer):
    """Answers every request of SQS as it answers somebody without rights."""

    daemon_threads = True

    def __init__(self) -> None:
        self.receives = 0
        super().__init__(("127.0.0.1", 0), _DenyingHandler)


class _DenyingHandler(BaseHTTPRequestHandler):
    server: _DenyingServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.receives += self.headers.get("X-Amz-Target") == "AmazonSQS.ReceiveMessage"
        body = b'{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"no policy allows it"}'
        self.send_response(403)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass


def test_t32_a_denied_receive_is_named_and_not_hammered(storage: TrailStorage, start: Start) -> None:
    with _DenyingServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        collector = start(endpointUrl=f"http://127.0.0.1:{server.server_port}")
        wait_until(lambda: collector.read_check("QueueReachable")["status"] == "False", "the check to fail")
        check = collector.read_check("QueueReachable")
        assert check["reason"] == "AccessDenied"
        assert f"sqs:ReceiveMessage on {storage.queue_arn}: AccessDeniedException" in check["message"]
        wait_until(lambda: len(collector.read_logs("receive failed")) == 3, "the third refusal")
        delays = [log["retry_in_seconds"] for log in collector.read_logs("receive failed")]
        assert server.receives == 3
        assert [round(delay) for delay in delays] == [1, 2, 4]
        server.shutdown()
        thread.join()


def test_a_broken_file_is_refused_with_every_error(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    sinks = [{"name": "out", "http": {"url": "ftp://x"}}]
    config.write_text(
        json.dumps({"mode": "Active", "bucket": "B", "queueArn": "x", "region": "us-east-1", "sinks": sinks, "x": 1})
    )
    environment = {"CLOUDTRAIL_WORKERS": "none"}
    result = subprocess.run(
        [PROGRAM, "run", "--config", config], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 2
    paths = Counter(line.split(":")[0] for line in result.stderr.splitlines())
    assert paths == Counter(["bucket", "queueArn", "sinks[0].http.url", "x", "CLOUDTRAIL_WORKERS"])
