"""What the documents promise: examples are valid, names are complete, tables say what the code does."""

import argparse
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from cloudtrail_collector.commands.arguments import ENVIRONMENT, build_parser
from cloudtrail_collector.commands.filter_expression import parse_filters
from cloudtrail_collector.core.cis_activities import CIS_ACTIVITIES
from cloudtrail_collector.core.sinks.batch_defaults import count_senders, find_limits
from cloudtrail_collector.metrics import MATCH_LABELS, MAX_MATCH_SERIES
from cloudtrail_spec.backfill import CloudTrailBackfillSpec
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.event_metrics import MetricLabel, MetricPreset
from cloudtrail_spec.falco_fields import FALCO_FIELDS
from cloudtrail_spec.filters import OPERATORS, FieldSelector, FilterAction, RuleSet
from cloudtrail_spec.formats import EventFormat, RawOptions
from cloudtrail_spec.interval import parse_interval
from cloudtrail_spec.masks import MaskPreset
from cloudtrail_spec.rule_sets import TELLING
from cloudtrail_spec.sinks import SINK_KINDS, SinkTarget
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.pages import ROOT, find_blocks
from support.sources import build_spec

PAGES = sorted(ROOT.glob("docs/*.md"))
EXAMPLES_IN = [ROOT / "README.md", *PAGES]
KINDS = [SinkTarget.model_fields[kind].alias or kind for kind in SINK_KINDS]
SETTINGS = {
    "stdout": {},
    "file": {"path": "/data/a/b"},
    "http": {"url": "http://x"},
    "splunkHec": {"url": "http://x", "token": {"secretKeyRef": {"name": "a", "key": "b"}}},
    "elasticsearch": {"url": "http://x", "index": "a"},
    "otlpHttp": {"url": "http://x"},
    "kafka": {"brokers": ["x:9092"], "topic": "a"},
    "s3": {"bucket": "archive", "region": "us-east-1", "roleArn": "arn:aws:iam::111122223333:role/a"},
    "discard": {},
}
MEBIBYTE = 1024 * 1024


def _read(page: str) -> str:
    return (ROOT / "docs" / page).read_text()


def _list_examples() -> list[Any]:
    return [
        pytest.param(block.body, id=f"{page.name}-{number}")
        for page in EXAMPLES_IN
        for number, block in enumerate(find_blocks(page.read_text(), "yaml"), 1)
    ]


def _find_rows(text: str, head: str) -> list[list[str]]:
    """Give the rows of the table that begins with a head, as cells without backticks."""
    lines = text.split(f"{head}\n", 1)[1].splitlines()[1:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")] for line in lines[:end]]


def _complete(fragment: dict[str, Any]) -> dict[str, Any]:
    """Other credentials than IRSA go without the role that the rest of the spec has."""
    kind = fragment.get("credentials", {}).get("type", "IRSA")
    return fragment if kind == "IRSA" else {"roleArn": None, **fragment}


@pytest.mark.parametrize("example", _list_examples())
def test_examples_of_a_source_are_valid(example: str) -> None:
    for document in yaml.safe_load_all(example):
        if document.get("kind") == "CloudTrailBackfill":
            CloudTrailBackfillSpec.model_validate(document["spec"])
            continue
        assert document.get("kind", "CloudTrailSource") == "CloudTrailSource"
        spec = document["spec"] if "kind" in document else build_spec(**_complete(document.get("spec", document)))
        try:
            CloudTrailSourceSpec.model_validate(spec)
        except ValidationError as error:
            pytest.fail("\n".join(describe_errors(error)))


@pytest.mark.parametrize("page", EXAMPLES_IN, ids=lambda page: page.name)
def test_selectors_in_tables_are_valid(page: Path) -> None:
    for text in re.findall(r"`(\{field: [^`]+\})`", page.read_text()):
        FieldSelector.model_validate(yaml.safe_load(text))


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_commands_are_understood(page: Path) -> None:
    for block in find_blocks(page.read_text(), "sh"):
        for line in block.body.splitlines():
            if line.startswith("cloudtrail-collector "):
                words = shlex.split(line.split(" | ")[0], comments=True)
                assert build_parser().parse_args(words[1:]).command == words[1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sink_has_its_section_with_an_example(kind: str) -> None:
    section = re.search(rf"^### {kind}\n(.*?)(?=^##|\Z)", _read("sinks.md"), re.DOTALL | re.MULTILINE)
    assert section is not None
    (example,) = find_blocks(section[1], "yaml")
    assert [kind in sink for sink in yaml.safe_load(example.body)["sinks"]] == [True]


def test_the_table_of_batches_says_what_holds() -> None:
    rows = _find_rows(_read("sinks.md"), "| kind | a batch is | is sent when | at once |")
    expected = []
    for kind in KINDS:
        sink = SinkTarget.model_validate({"name": "x", kind: SETTINGS[kind]})
        limits = find_limits(sink)
        size = (
            f"{limits.max_bytes // MEBIBYTE} MiB"
            if limits.max_bytes % MEBIBYTE == 0
            else f"{limits.max_bytes // 1000} kB"
        )
        events = f" or {limits.max_events:,} events" if kind in ("elasticsearch", "otlpHttp") else ""
        when = f"full, or after {limits.max_seconds:g} s" if limits.max_seconds else "at once"
        expected.append([kind, f"up to {size}{events}", when, str(count_senders(sink))])
    assert rows == expected


def test_every_name_of_filters_masks_and_metrics_is_there() -> None:
    text = _read("filters.md")
    enums = (FilterAction, RuleSet, MaskPreset, MetricPreset)
    names = [*(one.value for enum in enums for one in enum), *CIS_ACTIVITIES, *OPERATORS.values(), *TELLING]
    assert [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)] == []
    assert f"at most {MAX_MATCH_SERIES} combinations" in text


def test_every_format_and_option_is_there() -> None:
    text = _read("formats.md")
    assert [form.value for form in EventFormat if f"\n| `{form.value}` |" not in text] == []
    assert [name for name, field in RawOptions.model_fields.items() if f"\n| `{field.alias}` |" not in text] == []


def test_every_operator_has_an_example_of_its_own() -> None:
    rows = _find_rows(_read("filters.md"), "| operator | holds when the field | example |")
    assert [row[0] for row in rows] == list(OPERATORS.values())
    assert [row[0] for row in rows if f"{row[0]}: [" not in row[2]] == []


def test_labels_are_named_as_in_prometheus() -> None:
    rows = _find_rows(_read("filters.md"), "| label | name in Prometheus | from |")
    assert [(row[0], row[1]) for row in rows] == list(zip(MetricLabel, MATCH_LABELS, strict=True))


def test_every_falco_field_is_described_as_in_the_code() -> None:
    rows = _find_rows(_read("filters.md"), "| field | what it says |")
    assert rows == [[field.name, field.description] for field in FALCO_FIELDS]


def test_every_option_and_variable_of_the_command_line_is_there() -> None:
    text = _read("command-line.md")
    (commands,) = [one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction)]
    for name, command in commands.choices.items():
        assert f"\n## {name}\n" in text
        options = [option for action in command._actions for option in action.option_strings if option.startswith("--")]
        assert [option for option in options if f"`{option}" not in text and f"{option} " not in text] == []
    variables = re.findall(r"^  (CLOUDTRAIL_\w+)", ENVIRONMENT, re.MULTILINE)
    assert [variable for variable in variables if f"`{variable}`" not in text] == []


def test_filter_expressions_of_the_command_line_are_understood() -> None:
    rows = _find_rows(_read("command-line.md"), "| expression | holds when the field |")
    assert len(rows) == 6
    for row in rows:
        texts = [text.replace("FIELD", "eventName").replace("…", "10.0.0.0/8") for text in row[0].split(", ")]
        assert len(parse_filters(texts)) == 2


def test_intervals_of_the_command_line_are_understood() -> None:
    rows = _find_rows(_read("command-line.md"), "| interval | from | until |")
    now = datetime(2023, 4, 20, tzinfo=UTC)
    ends = [(parse_interval(row[0].split(" ")[0], now).end == now, row[2] == "now") for row in rows]
    assert len(ends) == 5
    assert [end for end in ends if end[0] is not end[1]] == []
