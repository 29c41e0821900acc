"""Alerts about sources: whether data flow, whether anything is given up, and whether collectors run."""

from observability.rule_file import COLLECTOR_JOB, Alert, Group, Severity

_WHO = "{{ $labels.namespace }}/{{ $labels.source }}"
_DENIED = "AccessDenied|AccessDeniedException|ExpiredToken|InvalidClientTokenId|InvalidIdentityToken|NoCredentials"


def build_groups() -> list[Group]:
    """Build the groups."""
    return [
        Group("cloudtrail-flow", _FLOW),
        Group("cloudtrail-losses", _LOSSES),
        Group("cloudtrail-integrity", _INTEGRITY),
        Group("cloudtrail-sources", _SOURCES),
        Group("cloudtrail-collectors", _COLLECTORS),
    ]


def _holds(condition: str, status: str) -> str:
    """Ask for a condition. Without the operator's own pod: another one that takes over goes on with the same alert."""
    return f'max by (namespace, source) (cloudtrail_source_condition{{type="{condition}",status="{status}"}}) == 1'


_FLOW = (
    Alert(
        name="CloudTrailSourceSilent",
        severity=Severity.WARNING,
        summary="An active source has seen no log file for long.",
        description=f"No log file or digest file of source {_WHO} has been announced for a long time.",
        # A digest file comes every hour even when nothing happens, and counts as skipped. Asked of the operator which
        # sources there are: collectors that are not scraped have no series that could be too small.
        expr="""
            max by (namespace, source) (cloudtrail_source_info{mode="Active"})
            and max by (namespace, source) (cloudtrail_source_info{mode="Active"} offset 2h) # silentWindow
            unless sum by (namespace, source) (
              increase(cloudtrail_collector_files_processed_total{outcome!="failed"}[2h]) # silentWindow
            ) > 0
        """,
        wait="15m",
    ),
    Alert(
        name="CloudTrailDataNotFlowing",
        severity=Severity.CRITICAL,
        summary="A queue gives messages, and no log file is read.",
        description=f"The queue of source {_WHO} has given messages for half an hour, and none led to an object that was"
        " read.",
        expr=_holds("DataFlowing", "False"),
        wait="5m",
    ),
    Alert(
        name="CloudTrailBacklogOld",
        severity=Severity.WARNING,
        summary="Messages wait in a queue for too long.",
        description=f"Messages in the queue of source {_WHO} are received {{{{ $value | humanizeDuration }}}} after they"
        " were sent.",
        expr="""
            max by (namespace, source) (cloudtrail_collector_sqs_oldest_message_age_seconds) > 900 # backlogSeconds
        """,
        wait="10m",
    ),
    Alert(
        name="CloudTrailBacklogCritical",
        severity=Severity.CRITICAL,
        summary="Messages wait in a queue for so long that they may expire.",
        description=f"Messages in the queue of source {_WHO} are received {{{{ $value | humanizeDuration }}}} after they"
        " were sent. What is older than the queue's retention is lost.",
        expr="""
            max by (namespace, source) (
              cloudtrail_collector_sqs_oldest_message_age_seconds
            ) > 3600 # backlogCriticalSeconds
        """,
        wait="10m",
    ),
    Alert(
        name="CloudTrailFilesFailing",
        severity=Severity.WARNING,
        summary="Many attempts to deliver log files fail.",
        description=f"{{{{ $value | humanizePercentage }}}} of the attempts of source {_WHO} to deliver log files fail. "
        "They come again with their messages.",
        expr="""
            sum by (namespace, source) (increase(cloudtrail_collector_files_processed_total{outcome="failed"}[15m]))
            / sum by (namespace, source) (increase(cloudtrail_collector_files_processed_total{outcome!="skipped"}[15m]))
            > 0.1 # failingShare
        """,
        wait="15m",
    ),
)

_LOSSES = (
    Alert(
        name="CloudTrailDeadLetterQueueGrowing",
        severity=Severity.CRITICAL,
        summary="Messages move to a dead-letter queue.",
        description=f"{{{{ $value }}}} messages of source {_WHO} moved to the queue's dead-letter queue within half an "
        "hour: the log files that they announce are not delivered.",
        expr="""
            max by (namespace, source) (cloudtrail_collector_sqs_dead_letter_messages)
            - max by (namespace, source) (cloudtrail_collector_sqs_dead_letter_messages offset 30m)
            > 0
        """,
        wait="5m",
    ),
    Alert(
        name="CloudTrailDeadLetterQueueNotEmpty",
        severity=Severity.WARNING,
        summary="Messages wait in a dead-letter queue.",
        description=f"{{{{ $value }}}} messages wait in the dead-letter queue of source {_WHO}. They are lost when its "
        "retention ends.",
        expr="max by (namespace, source) (cloudtrail_collector_sqs_dead_letter_messages) > 0",
        wait="1h",
    ),
    Alert(
        name="CloudTrailDeadLettering",
        severity=Severity.WARNING,
        summary="Events or log files go to the dead-letter sink.",
        description=f"Events or log files of source {_WHO} went to its dead-letter sink ({{{{ $labels.reason }}}}).",
        expr="""
            sum by (namespace, source, reason) (
              increase(cloudtrail_collector_events_dead_lettered_total[15m])
            ) > 0
            or sum by (namespace, source, reason) (
              increase(cloudtrail_collector_files_processed_total{outcome="dead_lettered"}[15m])
            ) > 0
        """,
    ),
    Alert(
        name="CloudTrailSinkRejecting",
        severity=Severity.WARNING,
        summary="A sink refuses events for good.",
        description=f"Sink {{{{ $labels.sink }}}} of source {_WHO} refuses events that it will never take.",
        expr="""
            sum by (namespace, source, sink) (increase(cloudtrail_collector_sink_rejected_events_total[15m])) > 0
        """,
    ),
    Alert(
        name="CloudTrailSinkFailing",
        severity=Severity.CRITICAL,
        summary="A sink does not accept batches.",
        description=f"A sink of source {_WHO} does not accept what it is sent; messages wait in the queue.",
        expr=_holds("SinksAccepting", "False"),
        wait="10m",
    ),
)

# What leaves something open, and notices, are in the condition.
_TAMPERING = (
    "digest_altered|digest_resigned|digest_missing|digests_missing|digest_moved|digest_unchained|digest_malformed"
    "|signature_missing|log_altered|log_missing"
)

_INTEGRITY = (
    Alert(
        name="CloudTrailDigestInvalid",
        severity=Severity.CRITICAL,
        summary="A trail's log files or digest files were altered, replaced or deleted.",
        description=f"A check of the digest files of source {_WHO} found {{{{ $labels.finding }}}}.",
        expr=f"""
            sum by (namespace, source, finding) (
              increase(cloudtrail_collector_integrity_findings_total{{finding=~"{_TAMPERING}"}}[1h])
            ) > 0
        """,
    ),
    Alert(
        name="CloudTrailDigestsMissing",
        severity=Severity.WARNING,
        summary="Log files come, and no digest files.",
        description=f"Log files of source {_WHO} come, but for hours no digest file has: nothing is proven any more.",
        # All of a source's collectors together: a digest file goes to one of them. In mode Enforce nothing is read
        # without digest files; messages wait.
        expr="""
            (
              sum by (namespace, source) (
                increase(cloudtrail_collector_files_processed_total{outcome="read"}[3h])
              ) > 0
              or sum by (namespace, source) (cloudtrail_collector_integrity_waiting_messages) > 0
            )
            and sum by (namespace, source) (
              increase(cloudtrail_collector_integrity_digests_total[3h])
            ) == 0
            and sum by (namespace, source) (cloudtrail_collector_integrity_digests_total offset 3h) >= 0
        """,
        wait="15m",
    ),
)

_SOURCES = (
    Alert(
        name="CloudTrailAccessDenied",
        severity=Severity.CRITICAL,
        summary="AWS denies what a collector must do.",
        description=f"AWS answers source {_WHO} with {{{{ $labels.code }}}} to"
        " {{ $labels.service }}:{{ $labels.operation }}.",
        expr=f"""
            sum by (namespace, source, service, operation, code) (
              increase(cloudtrail_collector_aws_api_errors_total{{code=~"{_DENIED}"}}[10m])
            ) > 0
        """,
        wait="5m",
    ),
    Alert(
        name="CloudTrailSourceStalled",
        severity=Severity.CRITICAL,
        summary="A source cannot go on without a person.",
        description=f"Source {_WHO} is Stalled: its spec, the operator's settings or its AWS access has to change.",
        expr=_holds("Stalled", "True"),
        wait="15m",
    ),
    Alert(
        name="CloudTrailQueueConflict",
        severity=Severity.WARNING,
        summary="Two sources share a queue.",
        description=f"Source {_WHO} shares its queue with another source: each gets a part of the messages.",
        expr=_holds("QueueConflict", "True"),
        wait="5m",
    ),
    Alert(
        name="CloudTrailNotificationsRefused",
        severity=Severity.WARNING,
        summary="A queue brings messages that are not for its source.",
        description=f"The queue of source {_WHO} brings messages that are in no known form, announce objects of other "
        "buckets, or bring no log file.",
        expr=_holds("NotificationsAccepted", "False"),
        wait="15m",
    ),
)

_COLLECTORS = (
    Alert(
        name="CloudTrailCollectorDown",
        severity=Severity.CRITICAL,
        summary="No collector of a source is ready.",
        description=f"Source {_WHO} wants collectors, and none is ready.",
        # An autoscaler's zero is wanted: there is nothing to compare with then.
        expr="""
            max by (namespace, source) (cloudtrail_source_ready_replicas) == 0
            and max by (namespace, source) (cloudtrail_source_replicas) > 0
        """,
        wait="10m",
    ),
    Alert(
        name="CloudTrailCollectorsMissing",
        severity=Severity.WARNING,
        summary="Fewer collectors than wanted are ready.",
        description=f"{{{{ $value }}}} of the collectors that source {_WHO} wants are not ready.",
        expr="""
            max by (namespace, source) (cloudtrail_source_replicas)
            - max by (namespace, source) (cloudtrail_source_ready_replicas)
            > 0
        """,
        wait="30m",
    ),
    Alert(
        name="CloudTrailCollectorCrashLooping",
        severity=Severity.WARNING,
        summary="A collector keeps restarting.",
        description=f"Collector {{{{ $labels.pod }}}} of source {_WHO} restarted {{{{ $value }}}} times in half an hour.",
        expr=f"""
            max by (namespace, source, pod) (changes(process_start_time_seconds{{job="{COLLECTOR_JOB}"}}[30m])) >= 3
        """,
    ),
    Alert(
        name="CloudTrailCollectorUnscraped",
        severity=Severity.WARNING,
        summary="Prometheus cannot read the metrics of a collector.",
        description=f"Prometheus does not reach collector {{{{ $labels.pod }}}} of source {_WHO}: its alerts are blind.",
        expr=f'max by (namespace, source, pod) (up{{job="{COLLECTOR_JOB}"}}) == 0',
        wait="10m",
    ),
)
