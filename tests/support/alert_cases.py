"""For every alert: series that make it fire, and series that come close and do not.

Values in promtool's notation, one every `step` minutes: `0+3x10` is 0, 3, 6 and so on, eleven of them; `_` is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Series = Mapping[str, str]
Labels = Mapping[str, str]

SOURCE = {"namespace": "trails", "source": "org"}
POD = {**SOURCE, "pod": "org-collector-0", "job": "cloudtrail-collector"}
OPERATOR = {"namespace": "cloudtrail-system", "pod": "operator-0", "job": "cloudtrail-operator"}
BACKFILL = {"namespace": "trails", "backfill": "incident-42"}
# The chart's monitor keeps namespace and source of these; pod and job are the operator's.
TOLD = {**SOURCE, "pod": "operator-0", "job": "cloudtrail-operator"}


@dataclass(frozen=True, slots=True)
class Case:
    """Fires at a minute, with these labels and with `$value` written so; stays silent then with each of the others."""

    at: int
    fires: Series
    silent: Mapping[str, Series]
    labels: Labels = field(default_factory=lambda: SOURCE)
    value: str = ""
    step: int = 1


def _series(name: str, labels: Labels, **more: str) -> str:
    inner = ",".join(f'{label}="{value}"' for label, value in {**labels, **more}.items())
    return f"{name}{{{inner}}}"


def _collector(name: str, **more: str) -> str:
    return _series(f"cloudtrail_collector_{name}", POD, **more)


def _told(name: str, **more: str) -> str:
    return _series(f"cloudtrail_source_{name}", TOLD, **more)


def _operator(name: str, **more: str) -> str:
    return _series(f"cloudtrail_operator_{name}", OPERATOR, **more)


def _lag(all_files: str, in_time: str) -> Series:
    return {
        _collector("object_lag_seconds_count"): all_files,
        _collector("object_lag_seconds_bucket", le="120.0"): in_time,
    }


def _files(outcome: str, values: str, reason: str = "") -> Series:
    return {_collector("files_processed_total", outcome=outcome, reason=reason): values}


def _condition(kind: str, bad: str, good: str, at: int) -> Case:
    def tell(status: str, values: str = "1x120") -> Series:
        return {_told("condition", type=kind, status=status): values}

    silent = {"good": tell(good), "unknown": tell("Unknown"), "for a moment": tell(bad, f"_x{at - 3} 1x120")}
    return Case(at, tell(bad), silent | {"another condition": {_told("condition", type="Else", status=bad): "1x120"}})


def _replicas(wanted: str, ready: str) -> Series:
    return {_told("replicas"): wanted, _told("ready_replicas"): ready}


def _age(values: str) -> Series:
    return {_collector("sqs_oldest_message_age_seconds"): values}


def _dead(values: str) -> Series:
    return {_collector("sqs_dead_letter_messages"): values}


def _rejected(values: str) -> Series:
    return {_collector("sink_rejected_events_total", sink="siem"): values}


def _denied(values: str, code: str = "AccessDenied") -> Series:
    return {_collector("aws_api_errors_total", service="s3", operation="GetObject", code=code): values}


def _silence(files: Series, mode: str = "Active", since: str = "1x300") -> Series:
    return {_told("info", mode=mode): since, **files}


def _found(finding: str, values: str) -> Series:
    return {_collector("integrity_findings_total", finding=finding): values}


def _flow(files: str, digests: str) -> Series:
    return {**_files("read", files), _collector("integrity_digests_total", result="trusted"): digests}


def _backfill(active: str, units: str, objects: str = "7x120") -> Series:
    return {
        _series("cloudtrail_backfill_shares", BACKFILL, state="active"): active,
        _series("cloudtrail_backfill_units", BACKFILL, state="done"): units,
        _series("cloudtrail_backfill_objects", BACKFILL, state="done"): objects,
    }


def _stalled(status: str, values: str = "1x60") -> Series:
    return {_series("cloudtrail_backfill_condition", BACKFILL, type="Stalled", status=status): values}


def _looks(well: str, badly: str) -> Series:
    return {_operator("reconcile_total", result="success"): well, _operator("reconcile_total", result="failure"): badly}


def _polls(answers: str, silences: str) -> Series:
    return {_operator("polls_total", result="answer"): answers, _operator("polls_total", result="silence"): silences}


def _silence_of_watch(values: str) -> Series:
    return {_operator("watch_silence_seconds", watch="/api/v1/pods"): values}


def _up(job: str, values: str, labels: Labels) -> Series:
    return {_series("up", {**labels, "job": job}): values}


def _starts(values: str) -> Series:
    return {_series("process_start_time_seconds", POD): values}


_OPERATOR_POD = {"namespace": OPERATOR["namespace"], "pod": OPERATOR["pod"]}
_OPERATOR_NAMESPACE = {"namespace": OPERATOR["namespace"]}
_COLLECTOR_POD = {**SOURCE, "pod": POD["pod"]}

CASES: Mapping[str, Case] = {
    "CloudTrailLagBurnFast": Case(
        85,
        _lag("0+10x120", "0+5x120"),
        {
            "a tenth late": _lag("0+10x120", "0+9x120"),
            "no file: NaN": _lag("100x120", "50x120"),
            "over for a while": _lag("0+10x120", "0x60 10+10x60"),
            "one file": _lag("0x80 1x30", "0x120"),
        },
        value="50%",
    ),
    "CloudTrailLagBurnMedium": Case(
        420,
        _lag("0+10x100", "0+9x100"),
        {
            "a twentieth late": _lag("0+100x100", "0+95x100"),
            "no file: NaN": _lag("100x100", "50x100"),
            "over for a while": _lag("0+10x100", "0+5x76 390+10x24"),
        },
        value="10%",
        step=5,
    ),
    "CloudTrailLagBurnSlow": Case(
        4400,
        _lag("0+100x450", "0+98x450"),
        {
            "two in a thousand late": _lag("0+1000x450", "0+998x450"),
            "no file: NaN": _lag("100x450", "50x450"),
            "over for a while": _lag("0+100x450", "0+90x400 36100+100x50"),
        },
        value="2%",
        step=10,
    ),
    "CloudTrailSourceSilent": Case(
        200,
        _silence(_files("read", "50x300")),
        {
            "log files": _silence(_files("read", "0+1x300")),
            "only digest files": _silence(_files("skipped", "0x100 1x100 2x100", reason="digest")),
            "paused": _silence(_files("read", "50x300"), mode="Paused"),
            "new": _silence(_files("read", "_x150 0x150"), since="_x150 1x150"),
        },
    ),
    "CloudTrailDataNotFlowing": _condition("DataFlowing", "False", "True", 10),
    "CloudTrailBacklogOld": Case(
        20,
        _age("1000x30"),
        {"younger": _age("800x30"), "for a moment": _age("0x15 1000x30"), "nothing received": _age("0x30")},
        value="16m 40s",
    ),
    "CloudTrailBacklogCritical": Case(
        20, _age("4000x30"), {"younger": _age("3000x30"), "for a moment": _age("0x15 4000x30")}, value="1h 6m 40s"
    ),
    "CloudTrailFilesFailing": Case(
        40,
        {
            **_files("read", "0+3x60"),
            **_files("failed", "0+1x60", reason="aws"),
            **_files("skipped", "0+96x60", reason="digest"),
        },
        {
            "few": {**_files("read", "0+99x60"), **_files("failed", "0+1x60", reason="aws")},
            "no file: NaN": {**_files("read", "50x60"), **_files("failed", "50x60", reason="aws")},
            "none failed": {**_files("read", "0+1x60"), **_files("failed", "0x60", reason="aws")},
        },
        value="25%",
    ),
    "CloudTrailDeadLetterQueueGrowing": Case(
        50,
        _dead("2x40 5x40"),
        {"as it was": _dead("5x80"), "redriven": _dead("5x40 0x40"), "new collector": _dead("_x40 5x40")},
        value="3",
    ),
    "CloudTrailDeadLetterQueueNotEmpty": Case(
        70, _dead("3x90"), {"empty": _dead("0x90"), "for half an hour": _dead("0x40 3x50")}, value="3"
    ),
    "CloudTrailDeadLettering": Case(
        20,
        {_collector("events_dead_lettered_total", reason="rejected"): "0x10 1x20"},
        {
            "long ago": {_collector("events_dead_lettered_total", reason="rejected"): "1x40"},
            "other outcomes": _files("failed", "0+1x40", reason="rejected"),
        },
        labels={**SOURCE, "reason": "rejected"},
    ),
    "CloudTrailSinkRejecting": Case(
        20, _rejected("0x10 1x20"), {"long ago": _rejected("7x40")}, labels={**SOURCE, "sink": "siem"}
    ),
    "CloudTrailSinkFailing": _condition("SinksAccepting", "False", "True", 15),
    "CloudTrailAccessDenied": Case(
        20,
        _denied("0+1x40"),
        {"no more": _denied("9x40"), "throttled": _denied("0+1x40", code="Throttling")},
        labels={**SOURCE, "service": "s3", "operation": "GetObject", "code": "AccessDenied"},
    ),
    "CloudTrailDigestInvalid": Case(
        80,
        _found("log_altered", "0x70 1x20"),
        {
            "long ago": _found("log_altered", "1x100"),
            "left open": _found("log_unreadable", "0x70 1x20"),
            "a notice": _found("chain_started", "0x70 1x20"),
        },
        labels={**SOURCE, "finding": "log_altered"},
    ),
    "CloudTrailDigestsMissing": Case(
        430,
        _flow("0+1x440", "3x440"),
        {
            "they come": _flow("0+1x440", "0x400 1x40"),
            "one of two collectors gets them": {
                **_flow("0+1x440", "3x440"),
                _collector("integrity_digests_total", result="trusted", pod="org-collector-1"): "0x400 1x40",
            },
            "nothing comes": _flow("50x440", "3x440"),
            "integrity is off": _files("read", "0+1x440"),
            "new": _flow("_x300 0+1x140", "_x300 0x140"),
        },
    ),
    "CloudTrailBackfillStalled": Case(
        10,
        _stalled("True"),
        {"works": _stalled("False"), "unknown": _stalled("Unknown"), "for a moment": _stalled("True", "_x7 1x60")},
        labels=BACKFILL,
    ),
    "CloudTrailBackfillStuck": Case(
        70,
        _backfill("2x120", "5x120"),
        {
            "units are done": _backfill("2x120", "0+1x120"),
            "large units": _backfill("2x120", "5x120", "0+900x120"),
            "done a while ago": _backfill("2x120", "0+1x30 30x90"),
            "suspended, or over": _backfill("0x120", "5x120"),
            "new": _backfill("_x45 2x75", "_x45 0x75"),
        },
        labels=BACKFILL,
        value="2",
    ),
    "CloudTrailSourceStalled": _condition("Stalled", "True", "False", 20),
    "CloudTrailQueueConflict": _condition("QueueConflict", "True", "False", 10),
    "CloudTrailNotificationsRefused": _condition("NotificationsAccepted", "False", "True", 20),
    "CloudTrailCollectorDown": Case(
        20,
        _replicas("2x40", "0x40"),
        {
            "one is left": _replicas("2x40", "1x40"),
            "none is wanted": _replicas("0x40", "0x40"),
            "starts": _replicas("2x40", "2x15 0x40"),
        },
    ),
    "CloudTrailCollectorsMissing": Case(
        40,
        _replicas("3x60", "2x60"),
        {"all there": _replicas("3x60", "3x60"), "rolling out": _replicas("3x60", "3x20 2x60")},
        value="1",
    ),
    "CloudTrailCollectorCrashLooping": Case(
        35,
        _starts("100x10 200x5 300x5 400x20"),
        {"one restart": _starts("100x10 200x40"), "long ago": _starts("100 200 300 400x60")},
        labels=_COLLECTOR_POD,
        value="3",
    ),
    "CloudTrailCollectorUnscraped": Case(
        20,
        _up(POD["job"], "0x40", _COLLECTOR_POD),
        {
            "up": _up(POD["job"], "1x40", _COLLECTOR_POD),
            "for a moment": _up(POD["job"], "1x15 0x40", _COLLECTOR_POD),
            "another program": _up("else", "0x40", _COLLECTOR_POD),
        },
        labels=_COLLECTOR_POD,
    ),
    "CloudTrailOperatorDown": Case(
        10,
        _up(OPERATOR["job"], "0x40", _OPERATOR_POD),
        {
            "up": _up(OPERATOR["job"], "1x40", _OPERATOR_POD),
            "one of two is up": {
                **_up(OPERATOR["job"], "0x40", _OPERATOR_POD),
                **_up(OPERATOR["job"], "1x40", _OPERATOR_POD | {"pod": "operator-1"}),
            },
            "for a moment": _up(OPERATOR["job"], "1x7 0x40", _OPERATOR_POD),
        },
        labels={},
    ),
    "CloudTrailOperatorLeaderMissing": Case(
        10,
        {_operator("leader"): "0x40"},
        {"leads": {_operator("leader"): "1x40"}, "hands over": {_operator("leader"): "1x8 0x40"}},
        labels=_OPERATOR_NAMESPACE,
    ),
    "CloudTrailOperatorTwoLeaders": Case(
        10,
        {_operator("leader"): "1x40", _operator("leader", pod="operator-1"): "1x40"},
        {
            "one": {_operator("leader"): "1x40", _operator("leader", pod="operator-1"): "0x40"},
            "of two installations": {_operator("leader"): "1x40", _operator("leader", namespace="else"): "1x40"},
        },
        labels=_OPERATOR_NAMESPACE,
        value="2",
    ),
    "CloudTrailOperatorMissedChanges": Case(
        20,
        {_operator("missed_changes_total"): "0x10 1x20"},
        {"long ago": {_operator("missed_changes_total"): "3x40"}},
        labels=_OPERATOR_POD,
    ),
    "CloudTrailOperatorWatchDead": Case(
        25,
        _silence_of_watch("0+60x10 0+60x4 0+60x4 0+60x10"),
        {
            "bookmarks come": _silence_of_watch("50x40"),
            "one restart helps": _silence_of_watch("30x12 30+60x3 0x40"),
        },
        labels={**_OPERATOR_POD, "watch": "/api/v1/pods"},
        value="4m 0s",
    ),
    "CloudTrailOperatorReconcileFailing": Case(
        40,
        _looks("0+3x60", "0+1x60"),
        {"few": _looks("0+99x60", "0+1x60"), "no look: NaN": _looks("9x60", "9x60")},
        labels=_OPERATOR_POD,
        value="25%",
    ),
    "CloudTrailOperatorCannotReachCollectors": Case(
        40,
        _polls("0+1x60", "0+3x60"),
        {"most answer": _polls("0+3x60", "0+1x60"), "no collector: NaN": _polls("9x60", "9x60")},
        labels=_OPERATOR_POD,
        value="75%",
    ),
}
