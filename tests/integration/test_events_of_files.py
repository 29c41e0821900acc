"""`cloudtrail-collector events` over files: what is printed, what is said about it, and how it ends."""

import gzip
import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integration.command_line import ENVIRONMENT, ask, ask_at_terminal, build_command
from localcluster.corpus import LogFile, generate_log_files
from support.sources import build_filter, build_source, build_spec

ALICE = {"type": "IAMUser", "userName": "alice", "arn": "arn:aws:iam::111122223333:user/alice"}
DELIVERED = datetime(2023, 7, 10, 12, 0, tzinfo=UTC)


def build_record(event_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "eventID": event_id,
        "eventTime": "2023-07-10T11:55:00Z",
        "eventName": "CreateUser",
        "eventSource": "iam.amazonaws.com",
        "userIdentity": ALICE,
        **fields,
    }


def write_records(path: Path, *records: dict[str, Any]) -> Path:
    text = json.dumps({"Records": records}, separators=(",", ":")).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def write_files(root: Path, count: int) -> Sequence[LogFile]:
    files = list(generate_log_files(count, end=DELIVERED))
    for file in files:
        (root / file.key).parent.mkdir(parents=True, exist_ok=True)
        (root / file.key).write_bytes(file.body)
    return files


def test_events_of_a_folder_are_printed_once_each_and_counted(tmp_path: Path) -> None:
    files = write_files(tmp_path, 5)
    (tmp_path / "notes.txt").write_text("no log file")
    write_records(tmp_path / "AWSLogs/111122223333/CloudTrail-Digest/x.json.gz", build_record("digest"))
    answer = ask("events", tmp_path)
    assert sorted(answer.event_ids) == sorted(event_id for file in files for event_id in file.event_ids)
    count = sum(len(file.event_ids) for file in files)
    assert (answer.code, answer.summary) == (0, f"5 files, {count} events read, {count} printed, 0 dropped")


def test_record_is_printed_as_it_is_in_the_file(tmp_path: Path) -> None:
    record = '{"eventVersion":"1.11","eventID":"a","x":1.50,"y":"\\u00e4"}'
    (tmp_path / "log.json").write_text(f'{{"Records":[{record}]}}')
    assert ask("events", tmp_path / "log.json").output == f"{record}\n".encode()


@pytest.mark.parametrize("name", ["log.json", "log.json.gz", "any name"])
def test_file_is_read_gzipped_or_not_and_by_standard_input(name: str, tmp_path: Path) -> None:
    path = write_records(tmp_path / name, build_record("a"))
    assert ask("events", path).event_ids == ["a"]
    assert ask("events", "-", given=path.read_bytes()).event_ids == ["a"]


def test_all_filters_must_hold(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "log.json",
        build_record("a", sourceIPAddress="10.1.2.3"),
        build_record("b", sourceIPAddress="192.0.2.1"),
        build_record("c", sourceIPAddress="10.1.2.4", errorCode="AccessDenied"),
        build_record("d", sourceIPAddress="10.1.2.5", eventName="ListUsers"),
    )
    conditions = (
        "--filter",
        "sourceIPAddress in 10.0.0.0/8",
        "--filter",
        "eventName~^Create",
        "--filter",
        "!errorCode",
    )
    answer = ask("events", *conditions, path)
    assert answer.event_ids == ["a"]
    assert "3 not matched by --filter" in answer.summary
    assert ask("events", "--filter", "ct.user=alice", "--filter", "errorCode", path).event_ids == ["c"]


def test_rule_set_drops_and_is_counted_by_name(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "log.json", build_record("a"), build_record("b", eventName="ListUsers", readOnly=True)
    )
    answer = ask("events", "--rule-set", "read-only-noise", path)
    assert answer.event_ids == ["a"]
    assert "1 dropped (read-only-noise 1)" in answer.summary


def test_mask_hides_and_filters_see_what_is_hidden(tmp_path: Path) -> None:
    path = write_records(tmp_path / "log.json", build_record("a", requestParameters={"userName": "alice"}))
    answer = ask("events", "--mask", "UserNames", "--filter", "userIdentity.userName=alice", path)
    assert answer.event_ids == ["a"]
    assert b"alice" not in answer.output


@pytest.mark.parametrize(
    ("form", "path"), [("Falco", ("ct.id",)), ("ECS", ("event", "id")), ("OCSF", ("metadata", "uid"))]
)
def test_events_leave_in_the_format_that_is_asked_for(form: str, path: Sequence[str], tmp_path: Path) -> None:
    log = write_records(tmp_path / "log.json", build_record("a"))
    (value,) = ask("events", "--format", form, log).events
    for name in path:
        value = value[name]
    assert value == "a"


def test_configuration_gives_filters_masks_and_format_and_arguments_add_to_it(tmp_path: Path) -> None:
    log = write_records(
        tmp_path / "log.json",
        build_record("a", sourceIPAddress="192.0.2.1"),
        build_record("b", eventName="Noise"),
        build_record("c", eventName="Other"),
    )
    changes: Any = {
        "filters": [build_filter("quiet", equals=["Noise"])],
        "mask": [{"preset": "SourceIPs"}],
        "format": "Falco",
    }
    (tmp_path / "source.yaml").write_text(json.dumps(build_source(**changes)))
    (tmp_path / "config.json").write_text(json.dumps(build_spec(roleArn=None, **changes)))
    for name in ("source.yaml", "config.json"):
        answer = ask("events", "--config", tmp_path / name, "--mask", "UserNames", "--filter", "eventName!=Other", log)
        (event,) = answer.events
        assert (event["ct.id"], event["ct.srcip"], event["ct.user"]) == ("a", "0.0.0.0", "masked")
        assert "quiet 1" in answer.summary
    assert ask("events", "--config", tmp_path / "config.json", "--format", "Raw", log).event_ids == ["a", "c"]


def test_limit_ends_in_the_middle_of_a_file(tmp_path: Path) -> None:
    files = write_files(tmp_path, 3)
    answer = ask("events", "--limit", "3", tmp_path)
    assert answer.event_ids == [*min(files, key=lambda file: file.key).event_ids[:3]]
    assert (answer.code, "3 printed" in answer.summary) == (0, True)


def test_accounts_regions_and_interval_choose_files_by_their_names(tmp_path: Path) -> None:
    write_files(tmp_path, 4)
    for arguments in (("--accounts", "444455556666"), ("--regions", "ap-south-1"), ("--interval", "1h")):
        answer = ask("events", *arguments, tmp_path)
        assert (answer.code, "no log files" in answer.errors) == (2, True)
    interval = "2023-07-10T11:00:00Z-2023-07-10T13:00:00Z"
    chosen = ("--accounts", "111122223333", "--regions", "us-east-1,eu-central-1", "--interval", interval)
    assert ask("events", *chosen, tmp_path).summary.startswith("4 files")


def test_bad_files_and_records_are_named_and_the_others_printed(tmp_path: Path) -> None:
    write_records(tmp_path / "a.json", build_record("a"))
    whole = gzip.compress(b'{"Records":[]}')
    (tmp_path / "b.json.gz").write_bytes(whole[:-6])
    (tmp_path / "c.json").write_text("hello")
    (tmp_path / "d.json").write_text('{"Records":[{"eventVersion":"1","eventID":"d"},{"eventID":nonsense}]}')
    write_records(tmp_path / "e.json", build_record("e"))
    answer = ask("events", "--filter", "eventID", tmp_path)
    assert sorted(answer.event_ids) == ["a", "d", "e"]
    assert answer.code == 1
    named = [line.split(": ")[0] for line in answer.errors.splitlines()[:-1]]
    assert named == [str(tmp_path / name) for name in ("b.json.gz", "c.json", "d.json")]
    assert "d.json: record 1: " in answer.errors
    assert answer.summary.endswith("1 broken, 2 could not be read")


def test_reader_that_leaves_early_ends_it_quietly(tmp_path: Path) -> None:
    write_files(tmp_path, 100)
    with subprocess.Popen(
        build_command(["events", tmp_path]), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline().startswith(b"{")
        child.stdout.close()
        errors = child.stderr.read().decode().splitlines()
        assert child.wait(30) == 0
    assert len(errors) == 1
    assert "files, " in errors[0]


def test_progress_is_shown_on_a_terminal_and_nowhere_else(tmp_path: Path) -> None:
    write_files(tmp_path, 3)
    output, shown = ask_at_terminal("events", tmp_path)
    assert b"/3 [" in shown
    assert all(line.startswith(b"{") for line in output.splitlines())
    assert "/3 [" not in ask("events", tmp_path).errors


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("absent",), "absent: no such file or folder"),
        (("--filter", "eventName", "--filter", "eventName=", "."), "--filter 'eventName=': a value is missing"),
        (("--interval", "5y", "."), "--interval 5y: "),
        (("--accounts", "123", "."), "--accounts"),
        (("--regions", "here", "."), "--regions"),
        (("--rule-set", "silence", "."), "read-only-noise"),
        (("--format", "XML", "."), "Raw"),
        (("--mask", "Everything", "."), "UserNames"),
        (("--limit", "0", "."), "must be a whole number from 1"),
        (("--config", "absent.yaml", "."), "No such file"),
        (("--delete", "."), "--delete is for queues only"),
        (("s3://",), "name a bucket"),
        (("sqs://arn:aws:sqs:x",), "not the ARN of a queue"),
        (("sqs://queue.fifo",), "not the name of a queue"),
        (("sqs://",), "sqs://: name a queue"),
        (
            ("ftp://host/file",),
            "ftp://host/file: no such file or folder; write a path, s3://bucket/prefix or sqs://queue",
        ),
        (("sqs://queue",), "--region or AWS_REGION"),
    ],
)
def test_wrong_arguments_are_named_with_code_2(arguments: Sequence[str], reason: str) -> None:
    answer = ask("events", *arguments)
    assert (answer.code, answer.output) == (2, b"")
    assert reason in answer.errors


def test_secret_that_is_not_there_is_named_with_the_folder(tmp_path: Path) -> None:
    hashed = {"preset": "UserNames", "hash": {"key": {"secretKeyRef": {"name": "masks", "key": "hmac"}}}}
    source = tmp_path / "source.json"
    source.write_text(json.dumps(build_source(mask=[hashed])))

    answer = ask("events", "--config", source, ".", environment={"CLOUDTRAIL_SECRETS_DIRECTORY": str(tmp_path)})

    assert answer.code == 2
    assert "Secret masks has no key hmac, or does not exist" in answer.errors
    assert f"(in {tmp_path}; CLOUDTRAIL_SECRETS_DIRECTORY names another folder)" in answer.errors
