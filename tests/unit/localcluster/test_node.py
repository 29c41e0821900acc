"""The rules of the node agent that need neither a process nor an API server."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcluster.node.__main__ import parse_arguments
from localcluster.node.addresses import AddressPool, is_port_free
from localcluster.node.api import Manifest
from localcluster.node.backoff import BackOff
from localcluster.node.environment import build_command, expand, resolve_resource
from localcluster.node.layout import NodeLayout, PodRecord
from localcluster.node.log_server import select_tail
from localcluster.node.logs import ContainerLogs
from localcluster.node.paths import MountPaths
from localcluster.node.pod import build_first_view
from localcluster.node.probes import ProbeTally, ProbeTiming
from localcluster.node.quantities import divide_quantity
from localcluster.node.references import ConfigError
from localcluster.node.scheduling import Placement, choose_placement
from localcluster.node.status import (
    ContainerView,
    PodView,
    Running,
    Terminated,
    Waiting,
    build_status,
    find_phase,
)
from localcluster.node.volumes import write_items

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOOD = Terminated(0, "Completed", NOW, NOW)
BAD = Terminated(1, "Error", NOW, NOW)
CREATING = Waiting("ContainerCreating")
MOUNTS = MountPaths({"/etc/app": Path("/r/a"), "/etc/app/sub/": Path("/r/b"), "/data": Path("/r/t")})


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("/etc/app", "/r/a"),
        ("/etc/app/file.json", "/r/a/file.json"),
        ("--config=/etc/app/x", "--config=/r/a/x"),
        ("/etc/app/sub/x", "/r/b/x"),
        ("a:/etc/app:/data", "a:/r/a:/r/t"),
        ("open('/etc/app/x')", "open('/r/a/x')"),
        ("/etc/application", "/etc/application"),
        ("/etc/app-other", "/etc/app-other"),
        ("/etc/app.d", "/etc/app.d"),
        ("/var/etc/app", "/var/etc/app"),
        ("http://host/etc/app", "http://host/etc/app"),
        ("/var/data", "/var/data"),
    ],
)
def test_mount_paths_are_rewritten_as_whole_paths_only(text: str, rewritten: str) -> None:
    assert MOUNTS.rewrite(text) == rewritten


@given(st.text())
def test_without_mounts_nothing_is_rewritten(text: str) -> None:
    assert MountPaths({}).rewrite(text) == text


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"), ("x$(A)y$(B)", "x1y2"), ("$$(A)", "$(A)"), ("$$$(A)", "$1"), ("$(NO)", "$(NO)"), ("$A", "$A"),
        ("$(", "$("), ("$()", "$()"),
    ],
)  # fmt: skip
def test_references_expand_as_in_kubernetes(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expanded


@pytest.mark.parametrize("image", ["ghcr.io/o/prog:v1", "ghcr.io:5000/o/prog", "prog@sha256:00", "prog"])
def test_image_name_stands_in_for_an_entry_point(image: str) -> None:
    assert build_command({"image": image, "args": ["$(A)"]}, {"A": "1"}, MOUNTS) == ["prog", "1"]


@pytest.mark.parametrize(
    ("quantity", "divisor", "result"),
    [("64Mi", "1Mi", "64"), ("250m", "0", "1"), ("250m", "1m", "250"), ("1Gi", "1", "1073741824"), ("1500m", "1", "2")],
)
def test_quantities_are_divided_and_rounded_up(quantity: str, divisor: str, result: str) -> None:
    assert divide_quantity(quantity, divisor) == result


def test_resource_without_limit_has_a_figure() -> None:
    assert int(resolve_resource({}, {"resource": "limits.memory"})) > 0
    assert resolve_resource({}, {"resource": "requests.cpu"}) == "0"


@given(st.lists(st.uuids(), unique=True, max_size=50))
def test_pods_have_different_addresses_that_follow_from_their_uids(uids: list[object]) -> None:
    pool = AddressPool()
    addresses = {str(uid): pool.take(str(uid)) for uid in uids}
    assert len(set(addresses.values())) == len(uids)
    assert all(pool.take(uid) == address for uid, address in addresses.items())
    assert all(not address.startswith("127.0.") for address in addresses.values())


def test_address_is_free_again_after_its_pod() -> None:
    pool = AddressPool()
    address = pool.take("a")
    pool.give_back("a")
    assert pool.take("a") == address


def test_pod_that_asks_for_it_gets_an_outside_address_while_there_is_one() -> None:
    pool = AddressPool(["192.0.2.7"], lambda _address, _port: True)
    assert pool.take_outside("a", [8080]) == "192.0.2.7"
    assert pool.take_outside("b", [8080]).startswith("127.")
    pool.give_back("a")
    assert pool.take_outside("c", [8080]) == "192.0.2.7"


def test_outside_address_is_passed_over_where_somebody_listens_already() -> None:
    pool = AddressPool(["192.0.2.7", "192.0.2.8"], lambda address, port: (address, port) != ("192.0.2.7", 8080))
    assert pool.take_outside("a", [9000, 8080]) == "192.0.2.8"


def test_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_port_free("127.0.0.1", port)
    assert is_port_free("127.0.0.1", port)


def test_first_restart_is_immediate_then_delays_double_up_to_a_limit() -> None:
    back_off, delays = BackOff(1), []
    for _ in range(9):
        back_off = back_off.after_run(0.5)
        delays.append(back_off.delay)
    assert delays == [0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert back_off.after_run(61).delay == 0


@pytest.mark.parametrize(
    ("init", "containers", "phase"),
    [
        ([], [(CREATING, False)], "Pending"),
        ([(Running(NOW), False)], [(CREATING, False)], "Pending"),
        ([(GOOD, True)], [(Running(NOW), False)], "Running"),
        ([(BAD, True)], [(CREATING, False)], "Failed"),
        ([(BAD, False)], [(CREATING, False)], "Pending"),
        ([], [(GOOD, True), (Running(NOW), False)], "Running"),
        ([], [(GOOD, True), (GOOD, True)], "Succeeded"),
        ([], [(GOOD, True), (BAD, True)], "Failed"),
        ([], [(BAD, False)], "Running"),
    ],
)
def test_phase_follows_from_the_containers(
    init: list[tuple[Waiting | Running | Terminated, bool]],
    containers: list[tuple[Waiting | Running | Terminated, bool]],
    phase: str,
) -> None:
    assert find_phase(view_of(init, containers)) == phase


def view_of(
    init: list[tuple[Waiting | Running | Terminated, bool]],
    containers: list[tuple[Waiting | Running | Terminated, bool]],
    *,
    ready: bool = False,
) -> PodView:
    def build(states: list[tuple[Waiting | Running | Terminated, bool]]) -> list[ContainerView]:
        return [
            ContainerView(str(number), "i", state=state, finished=finished, ready=ready)
            for number, (state, finished) in enumerate(states)
        ]

    return PodView("127.1.1.1", NOW, build(init), build(containers))


def test_crash_loop_is_running_and_waiting_at_once() -> None:
    container = ContainerView("c", "i", state=Waiting("CrashLoopBackOff"), last=BAD)
    assert find_phase(PodView("127.1.1.1", NOW, [], [container])) == "Running"


def test_transition_time_changes_only_when_a_condition_flips_and_foreign_ones_stay() -> None:
    foreign = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}
    running = [(Running(NOW), False)]
    first = build_status(view_of([], [*running]), {"status": {"conditions": [foreign]}}, NOW)
    later = NOW + timedelta(minutes=1)
    second = build_status(view_of([], [*running]), {"status": first}, later)
    assert second == first
    assert foreign in second["conditions"]
    third = find_conditions(build_status(view_of([], [*running], ready=True), {"status": second}, later))
    assert third["Ready"]["lastTransitionTime"] == "2026-01-02T03:05:05Z"
    assert third["Initialized"]["lastTransitionTime"] == "2026-01-02T03:04:05Z"


def find_conditions(status: Manifest) -> dict[str, Manifest]:
    return {condition["type"]: condition for condition in status["conditions"]}


def test_container_of_a_former_agent_counts_as_restarted() -> None:
    manifest = {"name": "c", "image": "i"}
    running = {"restartCount": 2, "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}}
    view = build_first_view(manifest, running)
    assert (view.restart_count, view.last.exit_code if view.last else None) == (3, 137)
    assert build_first_view(manifest, {}).restart_count == 0


def test_probe_reaches_a_verdict_after_enough_results_in_a_row() -> None:
    timing = ProbeTiming.parse({"successThreshold": 2, "failureThreshold": 3})
    tally, verdicts = ProbeTally(), []
    for success in (False, True, True, False, False, True, False, False, False):
        tally = tally.add(success, timing)
        verdicts.append(tally.verdict)
    assert verdicts == [None, None, True, True, True, True, True, True, False]


@pytest.mark.parametrize(
    ("spec", "placement"),
    [
        ({}, Placement.BIND),
        ({"nodeName": "other"}, Placement.IGNORE),
        ({"schedulerName": "mine"}, Placement.IGNORE),
        ({"schedulingGates": [{"name": "wait"}]}, Placement.IGNORE),
        ({"nodeSelector": {"os": "linux"}}, Placement.BIND),
        ({"nodeSelector": {"os": "other"}}, Placement.REFUSE),
    ],
)
def test_placement_minds_what_a_scheduler_minds(spec: Manifest, placement: Placement) -> None:
    assert choose_placement({"metadata": {}, "spec": spec}, {"os": "linux"}) is placement


def test_new_run_keeps_the_previous_log_and_drops_what_a_killed_run_left_unfinished(tmp_path: Path) -> None:
    logs = ContainerLogs(tmp_path, "c", split_stdout=True)
    for text in (b"first\n", b"second\n"):
        stdout, stderr = logs.open()
        with stdout, stderr:
            stdout.write(text + b"unfinished")
            stderr.write(b"log of " + text)
    assert logs.stdout.read_bytes() == b"first\nsecond\nunfinished"
    assert logs.log.read_bytes() == b"log of second\n"
    assert (tmp_path / "c.previous.log").read_bytes() == b"log of first\n"


def test_records_come_in_the_order_of_their_pods_and_by_labels(tmp_path: Path) -> None:
    layout = NodeLayout(tmp_path)
    for number, name in enumerate(("late", "early", "other")):
        labels = {"app": "x"} if name != "other" else {}
        layout.add_record(PodRecord(10 - number, f"uid-{name}", "ns", name, labels))
    assert [record.name for record in layout.records("ns", {"app": "x"})] == ["early", "late"]
    assert layout.records("elsewhere", {}) == []


def test_items_may_not_leave_their_volume(tmp_path: Path) -> None:
    for path in ("../x", "/x", "a/../../x"):
        with pytest.raises(ConfigError, match="leaves its volume"):
            write_items(tmp_path, {"k": b""}, {"items": [{"key": "k", "path": path}]}, 0o644)


def test_missing_item_is_named_unless_optional(tmp_path: Path) -> None:
    items = [{"key": "gone", "path": "x"}]
    with pytest.raises(ConfigError, match="gone"):
        write_items(tmp_path, {}, {"items": items}, 0o644)
    write_items(tmp_path, {}, {"items": items, "optional": True}, 0o644)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("lines", "tail"), [(None, b"a\nb\nc"), ("2", b"b\nc"), ("0", b""), ("9", b"a\nb\nc")])
def test_tail_of_a_log(lines: str | None, tail: bytes) -> None:
    assert select_tail(b"a\nb\nc", lines) == tail


def test_command_line_is_understood(tmp_path: Path) -> None:
    settings = parse_arguments(
        ["--kubeconfig", "k", "--directory", str(tmp_path), "--env", "A=b=c", "--path-prefix", "/venv/bin"]
    )
    assert (settings.environment, settings.path_prefix, settings.name) == ({"A": "b=c"}, "/venv/bin:", "local")
    assert not settings.leave_scheduling
