"""What a person writes behind --filter."""

from typing import Any

import pytest

from cloudtrail_collector.commands.filter_expression import parse_filters
from cloudtrail_collector.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("eventName=ConsoleLogin", {"field": "eventName", "equals": ["ConsoleLogin"]}),
        ("eventName=ConsoleLogin,CreateUser", {"field": "eventName", "equals": ["ConsoleLogin", "CreateUser"]}),
        (" eventName = A , B ", {"field": "eventName", "equals": ["A", "B"]}),
        ("userIdentity.type!=Root", {"field": "userIdentity.type", "notEquals": ["Root"]}),
        ("eventName^=Get,List", {"field": "eventName", "startsWith": ["Get", "List"]}),
        ("eventName!^=Get", {"field": "eventName", "notStartsWith": ["Get"]}),
        ("eventSource$=.amazonaws.com", {"field": "eventSource", "endsWith": [".amazonaws.com"]}),
        ("eventSource!$=x", {"field": "eventSource", "notEndsWith": ["x"]}),
        ("userAgent~^aws-cli/2[.]1,?", {"field": "userAgent", "matches": ["^aws-cli/2[.]1,?"]}),
        ("userAgent!~a=b", {"field": "userAgent", "notMatches": ["a=b"]}),
        ("sourceIPAddress in 10.0.0.0/8,192.0.2.1", {"field": "sourceIPAddress", "cidr": ["10.0.0.0/8", "192.0.2.1"]}),
        ("sourceIPAddress  not  in 2001:db8::/32", {"field": "sourceIPAddress", "notCidr": ["2001:db8::/32"]}),
        (r"errorMessage=a\,b,c\\", {"field": "errorMessage", "equals": ["a,b", "c\\"]}),
        ("eventName=a=b!=c", {"field": "eventName", "equals": ["a=b!=c"]}),
        ("ct.user=alice", {"field": "ct.user", "equals": ["alice"]}),
        ("errorCode", {"field": "errorCode", "startsWith": [""]}),
        ("!errorCode", {"field": "errorCode", "notStartsWith": [""]}),
    ],
)
def test_expression_is_a_field_selector(text: str, selector: dict[str, Any]) -> None:
    (parsed,) = parse_filters([text])
    assert parsed.model_dump(mode="json", by_alias=True, exclude_none=True) == selector


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write FIELD=A,B"),
        ("=x", "write FIELD=A,B"),
        ("event name=x", "write FIELD=A,B"),
        ("eventName=", "a value is missing"),
        ("eventName==x", "write one =, not two"),
        ("eventName=a,,b", "a value is missing"),
        ("eventName=a,", "a value is missing"),
        ("userAgent~(", "RE2"),
        ("userAgent~", "a value is missing"),
        ("sourceIPAddress in 10.0.0.0/99", "10.0.0.0/99"),
        ("ct.nothing=x", "ct.nothing"),
        ("a..b=x", "field"),
    ],
)
def test_mistake_names_the_expression(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_filters(["eventName=fine", text])
    (line,) = caught.value.errors
    assert line.startswith(f"--filter {text!r}: ")
    assert reason in line


def test_all_mistakes_are_listed_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_filters(["", "eventName=", "eventName=x"])
    assert len(caught.value.errors) == 2
