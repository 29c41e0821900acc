"""Programs are found where they are promised to be, and a wrong promise is not passed over."""

import subprocess
from pathlib import Path

import pytest

from localcluster import assets
from localcluster.apiserver import ApiServer, choose_kind, running_api_server
from localcluster.envtest_build import find_go_problem, main, parse_go_version

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBEBUILDER_ASSETS", "KUBECONFIG", "CLOUDTRAIL_API_SERVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def fill(directory: Path, programs: tuple[str, ...] = PROGRAMS) -> Path:
    directory.mkdir(parents=True)
    for name in programs:
        (directory / name).touch(mode=0o755)
    return directory


def test_control_plane_is_absent_until_it_was_built() -> None:
    assert assets.find_control_plane() is None
    fill(assets.envtest_directory())
    assert assets.find_control_plane() == assets.ControlPlaneBinaries(assets.envtest_directory())


def test_named_assets_win_over_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(assets.envtest_directory())
    named = fill(tmp_path / "named")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(named))
    assert assets.find_control_plane() == assets.ControlPlaneBinaries(named)


def test_named_assets_that_are_incomplete_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(fill(tmp_path / "named", ("etcd",))))
    with pytest.raises(RuntimeError, match="lacks"):
        assets.find_control_plane()


@pytest.mark.parametrize("major", [3, 4])
def test_helm_is_unpacked_once(tmp_path: Path, major: int) -> None:
    helm = assets.find_helm(major)
    assert helm.is_relative_to(tmp_path / "cache")
    assert helm.stat().st_mode & 0o111
    before = helm.stat().st_mtime_ns
    assert assets.find_helm(major).stat().st_mtime_ns == before
    assert [path.name for path in helm.parent.iterdir()] == ["helm"]
    version = subprocess.run([helm, "version", "--short"], capture_output=True, text=True, check=True).stdout
    assert version.startswith(f"v{major}.")


def test_kubectl_is_the_environments_own() -> None:
    assert assets.find_kubectl().is_file()


def test_kind_is_chosen_in_the_documented_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_kind() == "embedded"
    fill(assets.envtest_directory())
    assert choose_kind() == "real"
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    assert choose_kind() == "user"
    monkeypatch.setenv("CLOUDTRAIL_API_SERVER", "embedded")
    assert choose_kind() == "embedded"


def test_unknown_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDTRAIL_API_SERVER", "fake")
    with pytest.raises(ValueError, match=r"'fake' is not .*user, real, embedded"):
        choose_kind()


def test_real_api_server_that_was_not_built_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="make envtest"), running_api_server("real", tmp_path):
        pass


def test_embedded_api_server_names_the_way_to_the_real_one() -> None:
    assert "make envtest" in ApiServer("embedded", "v1", Path()).describe()
    assert "make envtest" not in ApiServer("real", "v1", Path()).describe()


def test_go_versions_compare_by_number() -> None:
    assert parse_go_version("1.26.8-X:nocoverageredesign") == (1, 26, 8)
    assert parse_go_version("1.9.1") < parse_go_version("1.26.0") <= parse_go_version("1.26.0")
    assert parse_go_version("devel") == ()


@pytest.mark.parametrize(
    ("script", "problem"),
    [("echo go1.19.8", "Go 1.19.8 is too old."), ("exit 1", "Go was not found."), ("echo go1.30", None)],
)
def test_go_on_the_path_is_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, problem: str | None
) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(go.parent))
    assert find_go_problem("1.26.0") == problem


def test_build_without_go_says_what_to_install_and_what_works_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main() == 1
    said = capsys.readouterr().err
    assert "Go was not found." in said
    assert "embedded" in said


def test_build_is_skipped_when_the_control_plane_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    fill(assets.envtest_directory())
    assert main() == 0
    assert str(assets.envtest_directory()) in capsys.readouterr().out
