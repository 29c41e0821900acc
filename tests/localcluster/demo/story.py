"""The demo's story: Test, then Active, then Paused, with CloudTrail delivering all the while; and the verdict."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from localcluster.corpus import LogFile, generate_log_files
from localcluster.demo.display import Display
from localcluster.demo.ledger import Delivery, Ledger
from localcluster.demo.stage import FILTERS, NAMESPACE
from localcluster.trail import QueueDepth, TimedOutError, Trail

FILES_PER_PHASE = 60
SECONDS_BETWEEN_FILES = 0.15
DEADLINE_SECONDS = 90.0

Row = tuple[str, str, bool]


@dataclass(slots=True)
class Story:
    """Plays the phases and remembers what the summary needs."""

    trail: Trail
    display: Display
    ledger: Ledger = field(default_factory=Ledger)
    files: list[LogFile] = field(default_factory=lambda: list(generate_log_files(2 * FILES_PER_PHASE, seed=7)))
    shown: dict[str, str] = field(default_factory=dict)
    greetings: int = 0
    test_ledger: Ledger = field(default_factory=Ledger)
    test_pods: set[str] = field(default_factory=set)
    test_depth: QueueDepth | None = None
    test_delivery: Delivery | None = None

    def play(self) -> bool:
        """Play all phases; True when every number is right."""
        # S3 greets a queue that it is told to notify with a test event, which announces no file.
        self.greetings = self.trail.read_queue_depth().kept
        self._test()
        self._active()
        self._paused()
        return self._verdict()

    def _test(self) -> None:
        self.display.heading("Mode Test: events flow, the queue keeps its messages")
        self._apply("Test")
        with self.display.step("The collector becomes Ready"):
            self.trail.wait_ready()
            self.test_pods = self.trail.list_pod_names()
        with self.display.step(f"CloudTrail puts {FILES_PER_PHASE} files into the bucket; their events stream out"):
            self._upload(self.files[:FILES_PER_PHASE], self.test_ledger)
            self._wait("every event to be delivered", lambda: not self._settle_test().lost)
        self.test_delivery, self.test_depth = self._settle_test(), self.trail.read_queue_depth()
        self._show_a_few_events()
        self._show("Test")

    def _active(self) -> None:
        self.display.heading("Mode Active: the same manifest with one word changed")
        self._apply("Active")
        with self.display.step("The collector rolls over: the old one gives its messages back, the new one starts"):
            self.trail.wait_ready()
        with self.display.step(f"{FILES_PER_PHASE} more files arrive; the queue drains to 0"):
            self._upload(self.files[FILES_PER_PHASE:], self.ledger)
            self._wait("the queue to be empty", lambda: self.trail.read_queue_depth().kept == 0)
        self._show("Active")

    def _paused(self) -> None:
        self.display.heading("Mode Paused: no pod is left")
        self._apply("Paused")
        with self.display.step("The collector drains and stops"):
            self.trail.wait_ready()
            self._wait("no pod to be left", lambda: not self.trail.list_pod_names())
        self._show("Paused")

    def _apply(self, mode: str) -> None:
        self.display.command("kubectl apply -f org-trail.yaml", self.trail.apply(mode, filters=FILTERS))

    def _show(self, phase: str) -> None:
        """Print `kubectl get` once the status has caught up with the figures; keep the wide form for the end."""
        if phase != "Paused":
            wanted = self._expected_emitted(phase)
            self._wait("the status to show the events", lambda: self.trail.read_emitted() == wanted)
        command = ("get", "cts", "-n", NAMESPACE)
        self.display.command("kubectl " + " ".join(command), self.trail.cluster.kubectl(*command).stdout)
        self.shown[phase] = self.trail.cluster.kubectl(*command, "-o", "wide").stdout

    def _expected_emitted(self, phase: str) -> int:
        return len(self.test_ledger.wanted) if phase == "Test" else len(self.test_ledger.wanted | self.ledger.wanted)

    def _upload(self, files: list[LogFile], ledger: Ledger) -> None:
        for number, log_file in enumerate(files, 1):
            self.trail.upload([log_file])
            ledger.add(log_file)
            depth = self.trail.read_queue_depth()
            events = len(self.trail.read_events())
            self.display.progress(
                f"file {number}/{len(files)} · {events} events delivered ·"
                f" queue: {depth.visible} waiting, {depth.in_flight} in flight"
            )
            time.sleep(SECONDS_BETWEEN_FILES)

    def _settle_test(self) -> Delivery:
        return self.test_ledger.settle(self.trail.read_events(only=self.test_pods))

    def _show_a_few_events(self) -> None:
        for record in self.trail.read_events(only=self.test_pods)[-3:]:
            who = record["userIdentity"]["arn"]
            self.display.line(f"  {record['eventTime']} {record['eventSource']} {record['eventName']} by {who}")

    def _wait(self, what: str, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not is_done():
            if time.monotonic() > deadline:
                raise TimedOutError(f"waited {DEADLINE_SECONDS:.0f} s for {what}")
            depth = self.trail.read_queue_depth()
            self.display.progress(f"waiting for {what} · queue: {depth.visible} waiting, {depth.in_flight} in flight")
            time.sleep(0.25)

    def _verdict(self) -> bool:
        """Everything went in twice as far as Active is concerned: Test gave its files back, so Active delivers all."""
        everything = Ledger(
            self.test_ledger.files + self.ledger.files,
            self.test_ledger.wanted | self.ledger.wanted,
            self.test_ledger.noise | self.ledger.noise,
        )
        active = everything.settle(self.trail.read_events(without=self.test_pods))
        depth = self.trail.read_queue_depth()
        test, test_depth = self.test_delivery, self.test_depth
        if test is None or test_depth is None:
            raise TimedOutError("mode Test was not played")
        messages = everything.files + self.greetings
        rows: list[Row] = [
            ("files put in", str(everything.files), everything.files == 2 * FILES_PER_PHASE),
            ("events put in", str(everything.events), True),
            ("  of these, noise that the filter must drop", str(len(everything.noise)), True),
            ("Test: events delivered", str(test.delivered), test.is_exact),
            (
                "Test: messages kept by the queue",
                str(test_depth.kept),
                test_depth.kept == self.test_ledger.files + self.greetings,
            ),
            ("Active: events delivered", str(active.delivered), active.delivered == len(everything.wanted)),
            ("Active: lost", str(active.lost), active.lost == 0),
            ("Active: delivered twice", str(active.repeated), active.repeated == 0),
            ("Active: noise that slipped through", str(active.unfiltered + active.strangers), active.is_exact),
            (
                f"Active: messages deleted (of {messages}, S3's test event included)",
                str(messages - depth.kept - depth.dead),
                not depth.kept,
            ),
            ("messages in the dead-letter queue", str(depth.dead), depth.dead == 0),
        ]
        for phase, output in self.shown.items():
            self.display.command(f"kubectl get cts -n {NAMESPACE} -o wide    # mode {phase}", output)
        self.display.summary(rows)
        return all(is_right for _, _, is_right in rows)
