"""Formats on real records, and beside the documents that others expect; both are read in place.

Every difference from an expected document is in a list here, with its reason, and in docs/formats.md. A list that names
too much is wrong as well.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cloudtrail_collector.core.formats import build_format
from cloudtrail_collector.core.formats.raw import OPEN_MEMBERS
from cloudtrail_spec.formats import EventFormat, RawOptions
from support.formats import PLACE, find_lost, list_differences
from support.ocsf_schema import list_faults
from support.real_records import TEST_DATA, read_real_records

pytestmark = pytest.mark.third_party_data

DOCS = Path(__file__).parents[3] / "docs" / "formats.md"
ECS = build_format(EventFormat.ECS, RawOptions(), "any")
OCSF = build_format(EventFormat.OCSF, RawOptions(), "any")
AS_TEXT = build_format(EventFormat.RAW, RawOptions(json_strings=True), "any")

LOGINS, TLS, GOV = "test-console-login-json.json", "test-tls-details-json.json", "test-us-gov-arn.json"
ECS_CASES = [(LOGINS, 0), (LOGINS, 1), (LOGINS, 2), (TLS, 0), (GOV, 0)]
FLATTENED = "aws.cloudtrail.flattened"
ECS_OPAQUE = frozenset(
    f"{FLATTENED}.{name}" for name in ("additional_eventdata", "request_parameters", "response_elements", "unmapped")
)
# The members of the record, under names that the expected documents of other records have as well.
ECS_FULLER = {
    (LOGINS, 1): {f"{FLATTENED}.additional_eventdata", f"{FLATTENED}.response_elements", "user_agent.original"},
    (LOGINS, 2): {
        f"{FLATTENED}.additional_eventdata",
        f"{FLATTENED}.response_elements",
        "aws.cloudtrail.console_login.additional_eventdata.login_to",
        "aws.cloudtrail.console_login.additional_eventdata.mfa_used",
        "aws.cloudtrail.console_login.additional_eventdata.mobile_version",
        "user_agent.original",
    },
    (TLS, 0): {f"{FLATTENED}.request_parameters", f"{FLATTENED}.response_elements"},
    (GOV, 0): {f"{FLATTENED}.request_parameters"},
}
# What the shipper of that integration adds outside the documents.
ECS_ADDED = {"cloud.provider", "ecs.version", "event.dataset", "event.module"}
# ISO 8601 without separators, which that pipeline does not read.
ECS_TIME = {(LOGINS, 2): {"aws.cloudtrail.user_identity.session_context.creation_date"}}
# A field that is new in CloudTrail.
ECS_UNMAPPED = {(GOV, 0): {f"{FLATTENED}.unmapped"}}
# That document alone was made with the integration's mapping of actors and targets, which must be switched on there.
ECS_ACTORS = {(GOV, 0): {"actor.entity.id", "user.entity.id", "related.entity", "related.user"}}
ECS_DIFFERENCES = {
    case: ECS_ADDED.union(*(part.get(case, set()) for part in (ECS_FULLER, ECS_TIME, ECS_UNMAPPED, ECS_ACTORS)))
    for case in ECS_CASES
}

OLD, NEW = "v1.0.0-rc.2", "v1.1.0"
CHANGE, CALL, LOGIN = "account_change.json", "api_activity.json", "authentication.json"
OCSF_CASES = [(version, name) for version in (OLD, NEW) for name in (CHANGE, CALL, LOGIN)]
# In every event.
OCSF_ALWAYS = {"actor.user.type_id", "cloud.account.uid", "metadata.version", "unmapped.recipientAccountId"}
OCSF_BY_VERSION = {
    # Attributes that later versions renamed, moved or dropped, and objects with nothing in them.
    OLD: {
        "actor.idp",
        "actor.user.account.uid",
        "actor.user.account_uid",
        "actor.user.uid",
        "actor.user.uid_alt",
        "actor.user.uuid",
        "api.response",
        "api.response.data",
        "category_name",
        "metadata.event_code",
        "observables",
        "unmapped.eventType",
        "user.uid",
        "user.uid_alt",
    },
    NEW: {"metadata.profiles", "status_id", "time_dt"},
}
OCSF_ONLY = {
    (OLD, CHANGE): {
        "actor.session.credential_uid",
        "actor.session.is_mfa",
        "actor.session.mfa",
        "actor.user.credential_uid",
        "api.request.data",
        "unmapped.responseElements.user.arn",
        "unmapped.responseElements.user.createDate",
        "unmapped.responseElements.user.path",
    },
    (OLD, CALL): {
        "actor.session",
        "actor.session.credential_uid",
        "actor.user.credential_uid",
        "category_uid",
        "class_uid",
        "metadata.product.feature.name",
        "type_uid",
    },
    (OLD, LOGIN): {"actor.session", "is_mfa", "mfa", "user.uuid"},
    (NEW, CHANGE): {
        "actor.session.created_time",
        "actor.session.created_time_dt",
        "actor.session.credential_uid",
        "actor.user.credential_uid",
    },
    (NEW, CALL): {"actor.session.credential_uid", "actor.user.credential_uid", "metadata.product.feature.name"},
}
# The user who signs in is the caller, with all that is known of the caller.
OCSF_LOGIN = {"api.request.uid", "service.name", "user.account.uid", "user.name", "user.type", "user.type_id"}
# There is no user but the caller.
OCSF_SAME = {(OLD, CALL): {"user.uid", "user.uid_alt"}}


def _list_ocsf_differences(case: tuple[str, str]) -> set[str]:
    listed = OCSF_ALWAYS | OCSF_BY_VERSION[case[0]] | OCSF_ONLY.get(case, set())
    return (listed | (OCSF_LOGIN if case[1] == LOGIN else set())) - OCSF_SAME.get(case, set())


@pytest.mark.parametrize("case", ECS_CASES, ids=str)
def test_ecs_differs_from_the_expected_documents_only_where_it_is_listed(case: tuple[str, int]) -> None:
    assert ECS is not None
    pair = json.loads((TEST_DATA / "expected" / "elastic-ecs" / case[0]).read_text())[case[1]]
    found = json.loads(ECS(pair["original"].encode(), PLACE))
    # The data writes the nested object under one name.
    expected = {name: value for name, value in pair["expected"].items() if name != "aws.cloudtrail"}
    expected["aws"] = {"cloudtrail": pair["expected"]["aws.cloudtrail"]}
    assert list_differences(expected, found, ECS_OPAQUE) == ECS_DIFFERENCES[case]


@pytest.mark.parametrize("case", OCSF_CASES, ids=str)
def test_ocsf_differs_from_the_expected_documents_only_where_it_is_listed(case: tuple[str, str]) -> None:
    assert OCSF is not None
    pair = json.loads((TEST_DATA / "expected" / "ocsf" / case[0] / case[1]).read_text())
    found = json.loads(OCSF(json.dumps(pair["raw"]).encode(), PLACE))
    assert list_differences(_flat(pair["ocsf"]), _flat(found)) == _list_ocsf_differences(case)


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    """Bring observables into one order: OCSF says nothing of it."""
    if "observables" not in event:
        return event
    return {**event, "observables": sorted(event["observables"], key=lambda entry: str(entry["name"]))}


def test_all_documents_are_compared() -> None:
    folder = TEST_DATA / "expected"
    documents = {path.name: len(json.loads(path.read_text())) for path in (folder / "elastic-ecs").glob("*.json")}
    assert Counter(name for name, _ in ECS_CASES) == documents
    assert set(OCSF_CASES) == {(path.parent.name, path.name) for path in (folder / "ocsf").glob("*/*.json")}


def test_every_difference_is_in_the_documentation() -> None:
    listed = set().union(*ECS_DIFFERENCES.values(), *(_list_ocsf_differences(case) for case in OCSF_CASES))
    text = DOCS.read_text()
    assert {path for path in listed if f"`{path}`" not in text} == set()


def test_ecs_keeps_all_that_every_record_says() -> None:
    assert ECS is not None
    for record in read_real_records():
        line = ECS(record, PLACE)
        assert b"\n" not in line
        assert not find_lost(record, line)
    assert len(read_real_records()) >= 3380


def test_ocsf_keeps_all_that_every_record_says() -> None:
    assert OCSF is not None
    for record in read_real_records():
        line = OCSF(record, PLACE)
        assert b"\n" not in line
        assert not find_lost(record, line)


def test_every_ocsf_event_fits_the_schema() -> None:
    assert OCSF is not None
    classes: Counter[str] = Counter()
    timeless = 0
    for record in read_real_records():
        event = json.loads(OCSF(record, PLACE))
        classes[event["class_name"]] += 1
        faults = list_faults(event)
        if json.loads(record).get("eventTime") in {None, "redacted"}:
            # Fragments: OCSF requires a time, and none is made up.
            assert faults == ["$: 'time' is a required property"]
            timeless += 1
        else:
            assert not faults
    assert len(classes) == 7
    assert timeless == 10


def test_open_members_of_raw_are_their_own_bytes_as_text() -> None:
    assert AS_TEXT is not None
    changed = 0
    for record in read_real_records():
        fields, found = json.loads(record), json.loads(AS_TEXT(record, PLACE))
        for name in OPEN_MEMBERS:
            if isinstance(fields.get(name), dict | list):
                changed += 1
                assert found[name].encode() in record
                found[name] = json.loads(found[name])
        assert found == fields
    assert changed > 1000
