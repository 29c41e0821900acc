"""Integrity Enforce: which messages wait, for how long, and what that costs the queue."""

import hashlib
import json
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from cloudtrail_collector.core.log_prefixes import Folder
from cloudtrail_collector.core.notification import ObjectRef
from cloudtrail_collector.core.object_key import KeySelection
from cloudtrail_collector.core.visibility import MAX_INVISIBLE_SECONDS, Lease, plan_extensions
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.metrics import Metrics
from cloudtrail_collector.pipeline.digest_audit import Archive
from cloudtrail_collector.pipeline.ledger import WAIT_SECONDS, Bounds, Ledger
from cloudtrail_collector.pipeline.proof_gate import ProofGate
from cloudtrail_collector.pipeline.proofs import Proofs, ProofStore
from cloudtrail_collector.ports import Consume, Message
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.integrity import IntegrityMode
from cloudtrail_spec.pipeline import Mode, ObjectsPolicy
from cloudtrail_spec.report import IntegrityFigures
from support.digest_chain import DigestChain, make_key

T = TypeVar("T")
NOW = datetime.now(UTC).replace(microsecond=0)
BOUNDS = Bounds(at_once=10, in_work=20, on_way=10, finished=10, waiting=3)
SELECTION = KeySelection(None, ObjectsPolicy())
WAIT = 20.0


class Bucket:
    """What a chain wrote; listing fails while `failure` is set."""

    def __init__(self, chain: DigestChain) -> None:
        self.chain = chain
        self.failure: AwsError | None = None
        self.listed = 0

    def list_folder(self, prefix: str) -> Folder:
        return Folder((), has_objects=False)

    def iterate_keys(self, prefix: str) -> Iterator[str]:
        self.listed += 1
        if self.failure:
            raise self.failure
        return iter(sorted(key for key in self.chain.objects if key.startswith(prefix)))

    def read(self, bucket: str, key: str, consume: Consume[T]) -> T:
        return consume(iter([self.chain.objects[key].body]), self.chain.objects[key].metadata)

    def describe(self, key: str) -> str:
        return key


class OneKey:
    def find(self, fingerprint: str, regions: tuple[str, ...], signed_at: datetime | None) -> tuple[object, ...]:
        return (make_key().public,)


class Bench:
    """A gate with what it works on."""

    def __init__(self, chain: DigestChain, **settings: float) -> None:
        self.chain = chain
        self.bucket = Bucket(chain)
        self.metrics = Metrics(filters=[], sinks=[], matches=[], has_integrity=True)
        self.board = StatusBoard(
            mode=Mode.ACTIVE, config_hash="", no_objects_seconds=60, integrity=IntegrityMode.ENFORCE
        )
        telemetry = Telemetry(self.metrics, self.board, None)
        self.ledger = Ledger(BOUNDS, telemetry)
        proofs = ProofStore(Archive({chain.bucket: self.bucket}, OneKey()))  # type: ignore[arg-type]
        self.gate = ProofGate(
            lambda one: SELECTION.find_skip_reason(one.key) is None, proofs, self.ledger, telemetry, **settings
        )
        self.resumed: queue.SimpleQueue[tuple[Message, Proofs]] = queue.SimpleQueue()
        self.gate.connect(lambda message, proven: self.resumed.put((message, proven)))

    def receive(self, *keys: str, name: str = "m") -> Proofs | None:
        body = json.dumps({"s3Bucket": self.chain.bucket, "s3ObjectKey": list(keys)})
        message = Message(name, f"r-{name}", body, 1, None)
        self.ledger.claim(message, timeout_seconds=30)
        return self.gate.admit(message)

    def prove(self, *keys: str) -> Proofs:
        return {
            ObjectRef(self.chain.bucket, key): hashlib.sha256(self.chain.objects[key].content).hexdigest()
            for key in keys
        }

    def count_waiting(self) -> int:
        return self.report().waiting

    def report(self) -> IntegrityFigures:
        figures = self.board.build_report().integrity
        assert figures is not None
        return figures

    @contextmanager
    def running(self) -> Iterator[None]:
        self.gate.start()
        yield
        self.gate.stop()
        self.gate.join(WAIT)
        assert not self.gate.is_alive()


def wait_until(is_done: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT
    while not is_done():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)


@pytest.fixture
def chain() -> DigestChain:
    return DigestChain()


def add_logs(chain: DigestChain, count: int = 1, age: timedelta = timedelta(minutes=30)) -> list[str]:
    return [chain.add_log(NOW - age) for _ in range(count)]


def test_what_names_no_log_file_does_not_wait(chain: DigestChain) -> None:
    bench = Bench(chain)
    digest = chain.add_hour(NOW, logs=0)
    assert bench.receive(digest) == {}
    assert bench.gate.admit(Message("odd", "r", "no JSON", 1, None)) == {}
    assert bench.count_waiting() == 0


def test_a_message_waits_for_all_its_log_files(chain: DigestChain) -> None:
    bench = Bench(chain, look_seconds=0.05)
    first, second = *add_logs(chain), *add_logs(chain)
    chain.add_hour(NOW - timedelta(minutes=10), logs=0, named=[first])
    with bench.running():
        assert bench.receive(first, second) is None
        wait_until(lambda: bench.bucket.listed > 2, "some looks")
        assert bench.count_waiting() == 1
        chain.add_hour(NOW - timedelta(minutes=5), logs=0, named=[second])
        message, proofs = bench.resumed.get(timeout=WAIT)
    assert (message.id, proofs) == ("m", bench.prove(first, second))
    assert bench.receive(first, name="again") == bench.prove(first), "what is remembered need not wait"


def test_what_is_known_to_have_come_is_looked_for_at_once(chain: DigestChain) -> None:
    bench = Bench(chain, look_seconds=3600)
    (log,) = add_logs(chain, age=timedelta(minutes=1))
    with bench.running():
        assert bench.receive(log) is None
        digest = chain.add_hour(NOW, logs=0, named=[log])
        (key,) = [one.key for one in chain.read_evidence() if one.key.key == digest]
        bench.gate.tell(chain.bucket, key)
        _, proofs = bench.resumed.get(timeout=WAIT)
    assert proofs == bench.prove(log)
    assert bench.bucket.listed <= 2, "one look, at the folders of one or two days"


def test_forged_digest_files_prove_nothing(chain: DigestChain) -> None:
    bench = Bench(chain, look_seconds=0.05)
    (log,) = add_logs(chain)
    chain.forge(chain.add_hour(NOW - timedelta(minutes=5), logs=0, named=[log]), make_key("thief"))
    with bench.running():
        assert bench.receive(log) is None
        wait_until(lambda: bench.bucket.listed > 4, "some looks")
        assert bench.count_waiting() == 1


def test_what_no_digest_file_will_name_any_more_is_let_go_without_proof(chain: DigestChain) -> None:
    bench = Bench(chain, look_seconds=0.05)
    chain.add_hour(NOW - timedelta(days=2))
    (log,) = add_logs(chain, age=timedelta(days=2))
    with bench.running():
        assert bench.receive(chain.logs[0], log) is None
        _, proofs = bench.resumed.get(timeout=WAIT)
    assert proofs == bench.prove(chain.logs[0])


def test_nothing_waits_for_longer_than_sqs_keeps_it_invisible(chain: DigestChain) -> None:
    bench = Bench(chain, look_seconds=3600, patience_seconds=0.3)
    (log,) = add_logs(chain)
    with bench.running():
        assert bench.receive(log) is None
        _, proofs = bench.resumed.get(timeout=WAIT)
    assert proofs == {}


def test_a_failed_look_is_told_and_made_again(chain: DigestChain) -> None:
    bench = Bench(chain, look_seconds=0.05)
    bench.bucket.failure = AwsError(
        action="s3:ListBucket", code="AccessDenied", resource="trail", reason=Reason.ACCESS_DENIED, message="no"
    )
    (log,) = add_logs(chain, age=timedelta(days=2))
    chain.add_hour(NOW - timedelta(days=2) + timedelta(minutes=20), logs=0, named=[log])
    with bench.running():
        assert bench.receive(log) is None
        wait_until(lambda: bench.bucket.listed > 2, "some looks")
        failure = bench.report().failure
        assert failure is not None
        assert failure.reason is Reason.ACCESS_DENIED
        assert bench.count_waiting() == 1, "it is not known that no digest file names it"
        bench.bucket.failure = None
        _, proofs = bench.resumed.get(timeout=WAIT)
    assert proofs == bench.prove(log)


def test_with_so_many_waiting_nothing_more_is_received(chain: DigestChain) -> None:
    bench = Bench(chain, look_seconds=3600)
    logs = add_logs(chain, 3)
    for number, log in enumerate(logs):
        assert bench.ledger.reserve(0.01) == 10
        bench.ledger.release(10)
        assert bench.receive(log, name=str(number)) is None
    assert bench.ledger.reserve(0.01) == 0
    taken = bench.gate.take_waiting()
    assert {message.id for message in taken} == {"0", "1", "2"}
    assert all(bench.ledger.settle(message.id) for message in taken)
    assert bench.ledger.reserve(0.01) == 10
    assert bench.count_waiting() == 0


def test_what_was_given_back_meanwhile_is_not_resumed(chain: DigestChain) -> None:
    bench = Bench(chain, look_seconds=3600, patience_seconds=0.2)
    (log,) = add_logs(chain)
    assert bench.receive(log) is None
    assert bench.ledger.settle("m") is not None
    with bench.running():
        wait_until(lambda: bench.count_waiting() == 0, "it to be let go")
    assert bench.resumed.empty()


def test_who_waits_is_extended_rarely_and_for_long(chain: DigestChain) -> None:
    """Ten thousand extensions a minute would cost more than the collector."""
    bench = Bench(chain)
    (log,) = add_logs(chain)
    assert bench.receive(log) is None
    (lease,) = bench.ledger.list_leases()
    (first,) = plan_extensions([lease], now=lease.received_at + 1, timeout_seconds=30)
    assert first.seconds == WAIT_SECONDS
    assert plan_extensions([first.lease], now=lease.received_at + 400, timeout_seconds=30) == []
    assert len(plan_extensions([first.lease], now=lease.received_at + 460, timeout_seconds=30)) == 1
    # A receipt that is renewed keeps waiting; what goes on is extended as others are.
    assert bench.receive(log) is None
    assert bench.ledger.list_leases()[0].wait_seconds == WAIT_SECONDS
    assert bench.ledger.resume("m")
    assert bench.ledger.list_leases()[0].wait_seconds is None


def test_no_extension_goes_beyond_twelve_hours() -> None:
    lease = Lease("m", "r", 0.0, MAX_INVISIBLE_SECONDS - 100, is_extended=True, wait_seconds=WAIT_SECONDS)
    (last,) = plan_extensions([lease], now=MAX_INVISIBLE_SECONDS - 200, timeout_seconds=30)
    assert last.seconds == 200
