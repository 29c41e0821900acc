"""What AWS answered → what is wrong and what mends it, without AWS."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

import pytest

from cloudtrail_collector.core.doctor.bucket_steps import judge_bucket, judge_listing, judge_log_key, judge_read
from cloudtrail_collector.core.doctor.facts import BucketSetup, ObjectSetup, QueueSetup, Seen, Subject
from cloudtrail_collector.core.doctor.findings import Step, right, summarize, wrong
from cloudtrail_collector.core.doctor.identity import judge_identity, judge_role
from cloudtrail_collector.core.doctor.queue_policy import Sender, may_send
from cloudtrail_collector.core.doctor.queue_steps import judge_dead_letters, judge_finish, judge_queue
from cloudtrail_collector.core.doctor.wiring import is_direct, judge_notification, judge_queue_policy
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.examination import examine, look_at_setup
from cloudtrail_spec.conditions import ConditionStatus, Reason
from cloudtrail_spec.pipeline import AssumedRole
from cloudtrail_spec.report import QueueFigures, SetupVerdict

QUEUE = "arn:aws:sqs:us-east-1:111122223333:trail"
BUCKET = "acme-trail"
TOPIC = "arn:aws:sns:us-east-1:111122223333:trail"
ROLE = "arn:aws:sts::111122223333:assumed-role/collector/session"
SUBJECT = Subject(QUEUE, "https://sqs.example.com/111122223333/trail", None, ROLE)
OF_BUCKET = {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{BUCKET}"}}
RIGHT, WRONG = SetupVerdict.RIGHT, SetupVerdict.WRONG


def refusal(reason: Reason = Reason.ACCESS_DENIED, message: str = "no", action: str = "sqs:X") -> AwsError:
    return AwsError(action=action, code="Code", resource=QUEUE, reason=reason, message=message)


def build_policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(principal: Any = None, condition: Any = None, **changes: Any) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": principal or {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": condition or {},
    }
    return statement | changes


def build_setup(policy: str | None = None, **figures: Any) -> QueueSetup:
    known = {"observed_at": "2026-01-01T00:00:00Z", "visible": 0, "in_flight": 0, "delayed": 0}
    return QueueSetup(QueueFigures.model_validate(known | figures), policy)


def announce(
    target: str = QUEUE, kind: str = "Queue", events: Sequence[str] = ("s3:ObjectCreated:*",), **filters: str
) -> Any:
    rules = [{"Name": name, "Value": value} for name, value in filters.items()]
    entry = {f"{kind}Arn": target, "Events": list(events), "Filter": {"Key": {"FilterRules": rules}}}
    return {f"{kind}Configurations": [entry]}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], False),
        ([allow()], True),
        ([allow(condition=OF_BUCKET)], True),
        ([allow({"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]})], True),
        ([allow({"Service": "sns.amazonaws.com"})], False),
        ([allow("*", OF_BUCKET)], True),
        ([allow({"AWS": "*"}, OF_BUCKET)], True),
        ([allow({"AWS": "arn:aws:iam::111122223333:root"})], False),
        ([allow(Action="SQS:*")], True),
        ([allow(Action=["sqs:ReceiveMessage", "sqs:Send*"])], True),
        ([allow(Action="sqs:ReceiveMessage")], False),
        ([allow(Resource="*")], True),
        ([allow(Resource=f"{QUEUE}-other")], False),
        ([allow(condition={"ArnLike": {"aws:SourceArn": "arn:*:s3:*:*:acme-*"}})], True),
        ([allow(condition={"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::other"}})], False),
        ([allow(condition={"StringEquals": {"aws:SourceArn": "arn:aws:s3:::acme-*"}})], False),
        ([allow(condition={"StringEquals": {"aws:SourceAccount": "111122223333"}})], True),
        ([allow(condition={"Bool": {"aws:SecureTransport": "true"}})], True),
        ([allow(), allow(Effect="Deny")], False),
        ([allow(), allow("*", {"Bool": {"aws:SecureTransport": "false"}}, Effect="Deny")], True),
        ([allow(), allow("*", {"ArnNotEquals": OF_BUCKET["ArnEquals"]}, Effect="Deny")], True),
        ([allow(), allow("*", {"ArnNotLike": {"aws:SourceArn": "arn:aws:s3:::x"}}, Effect="Deny")], False),
    ],
)
def test_a_queue_policy_is_read_as_iam_reads_it(statements: list[dict[str, Any]], expected: bool) -> None:
    sender = Sender("s3", f"arn:aws:s3:::{BUCKET}")
    assert may_send(build_policy(*statements), sender, QUEUE) is expected
    assert may_send(None, sender, QUEUE) is False


def test_a_policy_may_be_one_statement_that_is_no_list() -> None:
    assert may_send(json.dumps({"Statement": allow()}), Sender("s3"), QUEUE)


@pytest.mark.parametrize(
    ("notification", "prefix", "obstacle"),
    [
        (announce(), None, None),
        (announce(events=["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"]), None, None),
        (announce(prefix="AWSLogs/", suffix=".json.gz"), None, None),
        (announce(prefix="AWSLogs/111122223333/", suffix=".gz"), None, None),
        (announce(Prefix="audit/"), "audit", None),
        (announce(prefix="audit/"), None, "begin with audit/"),
        (announce(suffix=".json"), None, "end with .json"),
        (announce(events=["s3:ObjectRemoved:*"]), None, "s3:ObjectRemoved:*"),
        ({}, None, "does not tell the queue"),
        (announce(f"{QUEUE}-other"), None, "does not tell the queue"),
    ],
)
def test_a_notification_is_right_when_it_covers_log_files(
    notification: Any, prefix: str | None, obstacle: str | None
) -> None:
    subject = Subject(QUEUE, SUBJECT.queue_url, prefix)
    finding = judge_notification(subject, BUCKET, build_setup(), Seen(BucketSetup(notification, {})))
    assert (finding.verdict is RIGHT) is (obstacle is None)
    if obstacle:
        assert obstacle in finding.message
        document = json.loads(shlex.split(str(finding.mend))[-1])
        assert judge_notification(subject, BUCKET, build_setup(), Seen(BucketSetup(document, {}))).verdict is RIGHT
        others = [entry for entry in notification.get("QueueConfigurations", ()) if entry["QueueArn"] != QUEUE]
        assert document["QueueConfigurations"][:-1] == others


def test_a_topic_between_is_followed() -> None:
    told = announce(TOPIC, "Topic")
    subscribed = BucketSetup(told, {TOPIC: Seen((QUEUE,))})
    assert judge_notification(SUBJECT, BUCKET, build_setup(), Seen(subscribed)).verdict is RIGHT
    deaf = judge_notification(SUBJECT, BUCKET, build_setup(), Seen(BucketSetup(told, {TOPIC: Seen(())})))
    assert (deaf.verdict, deaf.reason) == (WRONG, Reason.NO_NOTIFICATION)
    assert shlex.split(str(deaf.mend))[:3] == ["aws", "sns", "subscribe"]
    hidden = BucketSetup(told, {TOPIC: refusal(action="sns:ListSubscriptionsByTopic")})
    finding = judge_notification(SUBJECT, BUCKET, build_setup(), Seen(hidden))
    assert (finding.verdict, finding.reason) == (SetupVerdict.NOT_ALLOWED, Reason.NOT_ALLOWED_TO_LOOK)
    assert "sns:ListSubscriptionsByTopic" in str(finding.mend)


def test_the_policy_must_let_in_who_really_sends() -> None:
    direct = build_setup(build_policy(allow()))
    through_topic = {BUCKET: Seen(BucketSetup(announce(TOPIC, "Topic"), {TOPIC: Seen((QUEUE,))}))}
    finding = judge_queue_policy(SUBJECT, [BUCKET], direct, through_topic)
    assert (finding.verdict, finding.reason) == (WRONG, Reason.SENDER_NOT_ALLOWED)
    assert f"does not let {TOPIC} send" in finding.message
    policy = json.loads(json.loads(shlex.split(str(finding.mend))[-1])["Policy"])
    mended = build_setup(json.dumps(policy))
    assert judge_queue_policy(SUBJECT, [BUCKET], mended, through_topic).verdict is RIGHT
    assert policy["Statement"][0] == allow()
    by_rule = {BUCKET: Seen(BucketSetup({"EventBridgeConfiguration": {}}, {}, Seen(("log-files",))))}
    assert judge_queue_policy(SUBJECT, [BUCKET], direct, by_rule).verdict is WRONG
    rule = "arn:aws:events:us-east-1:111122223333:rule/log-files"
    events = allow({"Service": "events.amazonaws.com"}, {"ArnEquals": {"aws:SourceArn": rule}})
    assert judge_queue_policy(SUBJECT, [BUCKET], build_setup(build_policy(events)), by_rule).verdict is RIGHT


def test_the_trails_own_topic_is_no_mistake() -> None:
    """CloudTrail itself may notify a topic; the bucket then tells nobody."""
    setup = build_setup(build_policy(allow({"Service": "sns.amazonaws.com"})))
    silent = Seen(BucketSetup({}, {}))
    assert judge_queue_policy(SUBJECT, [BUCKET], setup, {BUCKET: silent}).verdict is WRONG
    assert judge_notification(SUBJECT, BUCKET, setup, silent).verdict is SetupVerdict.NOT_ASKED


def test_only_s3_itself_is_bound_to_its_region() -> None:
    far = Seen("eu-west-1")
    assert judge_bucket(SUBJECT, BUCKET, far, direct=True).reason is Reason.OTHER_REGION
    assert judge_bucket(SUBJECT, BUCKET, far, direct=False).verdict is RIGHT
    by_rule = Seen(BucketSetup({"EventBridgeConfiguration": {}}, {}, Seen(("rule",))))
    assert not is_direct(SUBJECT, BUCKET, build_setup(), by_rule)
    assert is_direct(SUBJECT, BUCKET, build_setup(), Seen(BucketSetup({}, {})))
    assert is_direct(SUBJECT, BUCKET, build_setup(build_policy(allow())), refusal())
    assert not is_direct(SUBJECT, BUCKET, build_setup(), refusal())


@pytest.mark.parametrize(
    ("answer", "exists", "verdict"),
    [
        (Seen(ObjectSetup("arn")), True, RIGHT),
        (refusal(Reason.OBJECT_NOT_FOUND), False, RIGHT),
        (refusal(), False, SetupVerdict.NOT_ASKED),
        (refusal(), True, WRONG),
        (refusal(Reason.ENDPOINT_UNREACHABLE), False, WRONG),
    ],
)
def test_a_denied_read_of_a_key_that_may_be_missing_says_nothing(
    answer: Any, exists: bool, verdict: SetupVerdict
) -> None:
    assert judge_read(SUBJECT, BUCKET, answer, exists=exists).verdict is verdict


def test_an_explicit_deny_is_not_mended_by_a_statement_that_allows() -> None:
    denied = refusal(message="is not authorized to perform: sqs:X with an explicit deny in a resource-based policy")
    assert judge_queue(SUBJECT, denied).mend == "take sqs:X out of the explicit deny that AWS names"
    assert "put-role-policy" in str(judge_queue(SUBJECT, refusal()).mend)


@pytest.mark.parametrize(
    ("asker", "begin"),
    [
        (ROLE, ["aws", "iam", "put-role-policy", "--role-name", "collector"]),
        (
            "arn:aws:iam::111122223333:role/teams/a/collector",
            ["aws", "iam", "put-role-policy", "--role-name", "collector"],
        ),
        ("arn:aws:iam::111122223333:user/x/keys", ["aws", "iam", "put-user-policy", "--user-name", "keys"]),
    ],
)
def test_rights_are_given_to_who_asks(asker: str, begin: list[str]) -> None:
    subject = Subject(QUEUE, SUBJECT.queue_url, None, asker)
    assert shlex.split(str(judge_queue(subject, refusal()).mend))[:5] == begin


def test_without_anybody_who_asks_the_mend_is_the_statement() -> None:
    subject = Subject(QUEUE, SUBJECT.queue_url, None)
    document = json.loads(str(judge_queue(subject, refusal()).mend))
    assert document["Statement"][0]["Resource"] == QUEUE


def test_a_prefix_is_taken_literally_in_a_statement() -> None:
    subject = Subject(QUEUE, SUBJECT.queue_url, "a*b", ROLE)
    mend = shlex.split(str(judge_read(subject, BUCKET, refusal(), exists=True).mend))[-1]
    assert json.loads(mend)["Statement"][0]["Resource"] == f"arn:aws:s3:::{BUCKET}/a${{*}}b/AWSLogs/*"


def test_keys_of_log_files_are_judged_when_one_was_read() -> None:
    assert judge_log_key(SUBJECT, refusal()) is None
    with_key = judge_log_key(SUBJECT, Seen(ObjectSetup("arn", "arn:aws:kms:us-east-1:111122223333:key/1")))
    assert with_key is not None
    assert (with_key.verdict, with_key.about) == (RIGHT, "arn:aws:kms:us-east-1:111122223333:key/1")
    unnamed = judge_log_key(SUBJECT, refusal(Reason.KMS_ACCESS_DENIED))
    assert unnamed is not None
    assert "--log-key KEY_ARN" in str(unnamed.mend)


def test_who_asks_is_compared_with_the_role_of_the_collectors() -> None:
    role = "arn:aws:iam::111122223333:role/teams/collector"
    assert "The collectors are" not in judge_identity(Seen(ROLE), role).message
    assert "The collectors are" in judge_identity(Seen(ROLE), role.replace("1111", "9999")).message
    assert "The collectors are" in judge_identity(Seen(ROLE.replace("/collector/", "/other/")), role).message
    assumed = AssumedRole.model_validate({"roleArn": role})
    assert judge_role(assumed, refusal(), refusal()).verdict is SetupVerdict.NOT_ASKED
    assert judge_role(assumed, Seen(ROLE), Seen(ROLE)).verdict is RIGHT
    assert "trust -f source.yaml --assumed" in str(judge_role(assumed, Seen(ROLE), refusal()).mend)
    archive = judge_role(assumed, Seen(ROLE), refusal(), sink="archive")
    assert (archive.step, archive.verdict, "--sink archive" in str(archive.mend)) == ("archive role", WRONG, True)


def test_mode_test_needs_no_right_to_delete() -> None:
    refusals = [refusal(action="sqs:DeleteMessage")]
    assert judge_finish(SUBJECT, refusals, deletes=False).verdict is RIGHT
    assert judge_finish(SUBJECT, refusals, deletes=True).verdict is WRONG


def test_dead_letters_that_may_not_be_counted_are_no_mistake() -> None:
    arn = f"{QUEUE}-dead-letter"
    setup = build_setup(dead_letter_queue_arn=arn, max_receive_count=10)
    found = judge_dead_letters(SUBJECT, setup, refusal())
    assert found is not None
    assert found.verdict is SetupVerdict.NOT_ALLOWED
    assert judge_dead_letters(SUBJECT, build_setup(), None) is None


def test_an_empty_bucket_is_named() -> None:
    assert judge_listing(SUBJECT, BUCKET, Seen(None)).reason is Reason.NO_LOG_FILES


def test_a_condition_has_the_words_and_lines_of_all_mistakes() -> None:
    assert summarize([])[:2] == (ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED)
    good = right(Step.QUEUE, QUEUE, "Fine.")
    assert summarize([good]) == (ConditionStatus.TRUE, Reason.SUCCEEDED, "What was looked at is right: queue.")
    bad = wrong(Step.QUEUE_KEY, QUEUE, Reason.KEY_NOT_SHARED, "Bad.", "mend it")
    worse = wrong(Step.BUCKET, QUEUE, Reason.OTHER_REGION, "Far.", None)
    assert summarize([good, bad, worse]) == (
        ConditionStatus.FALSE,
        Reason.KEY_NOT_SHARED,
        "Bad. To mend it: mend it Far.",
    )
    long = wrong(Step.QUEUE_KEY, QUEUE, Reason.KEY_NOT_SHARED, "Bad.", "x" * 1001)
    assert summarize([long])[2] == "Bad. To mend it: run the line that `cloudtrail-collector doctor` prints."
    redrive = wrong(Step.REDRIVE, QUEUE, Reason.NO_DEAD_LETTER_QUEUE, "None.", None)
    assert summarize([good, redrive])[0] is ConditionStatus.TRUE


class Silent:
    """Asks an AWS that refuses everything."""

    def __init__(self, reason: Reason) -> None:
        self._refusal = refusal(reason)

    def read_queue(self) -> Any:
        return self._refusal

    def find_log_file(self, bucket: str) -> Any:
        return self._refusal

    def read_object(self, bucket: str, key: str) -> Any:
        return self._refusal

    def count_dead_letters(self, queue_arn: str) -> Any:
        raise AssertionError(queue_arn)

    def receive(self) -> Any:
        raise AssertionError

    def try_finishing(self) -> Any:
        raise AssertionError

    def find_region(self, bucket: str) -> Any:
        raise AssertionError(bucket)

    def read_bucket(self, bucket: str) -> Any:
        raise AssertionError(bucket)


def test_what_hangs_on_an_unreadable_queue_is_not_asked() -> None:
    silent = Silent(Reason.QUEUE_NOT_FOUND)
    assert [finding.step for finding in look_at_setup(SUBJECT, [BUCKET], silent)] == ["queue"]
    steps = [one.step for one in examine(SUBJECT, [BUCKET], silent, receives=True, deletes=True)]
    assert steps == ["queue", "log files", "read"]
