"""What collecting has to do with digest files: hand them over, and know the content of each log file that is read."""

from cloudtrail_collector.core.dead_letter import Origin
from cloudtrail_collector.core.gunzip import FEED_BYTES, Buffer
from cloudtrail_collector.core.integrity.content import ContentError, hash_content
from cloudtrail_collector.core.integrity.digest_key import parse_digest_key
from cloudtrail_collector.core.object_key import KeySelection
from cloudtrail_collector.core.rejection import LogFileRejectedError, RejectReason
from cloudtrail_collector.pipeline.auditors import Auditors
from cloudtrail_collector.pipeline.file_delivery import OnDone
from cloudtrail_collector.pipeline.proof_gate import ProofGate
from cloudtrail_collector.pipeline.read_hashes import ReadHashes
from cloudtrail_collector.telemetry import Telemetry


class Integrity:
    """The parts that check integrity, as the rest of the pipeline knows them; used by all workers at once.

    `gate` is None in mode Report.
    """

    def __init__(
        self,
        selection: KeySelection,
        hashes: ReadHashes,
        auditors: Auditors,
        gate: ProofGate | None,
        telemetry: Telemetry,
    ) -> None:
        self._selection = selection
        self._hashes = hashes
        self._telemetry = telemetry
        self._auditors = auditors
        self.gate = gate

    def start(self) -> None:
        """Start the threads."""
        self._auditors.start()
        if self.gate is not None:
            self.gate.start()

    def is_alive(self) -> bool:
        """Tell whether every thread runs."""
        return self._auditors.is_alive() and (self.gate is None or self.gate.is_alive())

    def take_digest(self, origin: Origin, on_done: OnDone) -> bool:
        """Have a digest file checked; False when it is not this source's business."""
        key = parse_digest_key(origin.key)
        if key is None or not self._selection.selects_region(key.account_id, key.region):
            return False
        self._telemetry.digest_announced()
        self._auditors.submit(origin.bucket, key, on_done)
        return True

    def note_read(self, origin: Origin, body: Buffer, sha256: str | None) -> None:
        """Note the content of a log file. Raises LogFileRejectedError where it must have another SHA-256."""
        view = memoryview(body)
        pieces = (bytes(view[start : start + FEED_BYTES]) for start in range(0, len(view), FEED_BYTES))
        try:
            found, problem = hash_content(pieces), None
        except ContentError as error:
            found, problem = "", str(error)
        self._hashes.note(origin.bucket, origin.key, found)
        if sha256 is not None and found != sha256:
            text = problem or f"SHA-256 is {found}, CloudTrail signed {sha256}"
            raise LogFileRejectedError(RejectReason.ALTERED, f"the log file is not what CloudTrail delivered: {text}")
