"""Where Prometheus is looked for, and what is said where there is none."""

from pathlib import Path

import pytest

from localcluster.prometheus import NoPrometheusError, PrometheusPrograms, find_prometheus, get_prometheus, main
from support.prometheus import require_prometheus

_PROGRAMS = ("prometheus", "promtool")


def _write_program(path: Path, text: str = "#!/bin/sh\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH; the cache is empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_path_is_asked_first_then_the_cache(bin_folder: Path, tmp_path: Path) -> None:
    assert find_prometheus() is None
    cached = tmp_path / "cache" / "cloudtrail-operator" / "prometheus" / "usr" / "bin"
    for name in _PROGRAMS:
        _write_program(cached / name)
    assert find_prometheus() == PrometheusPrograms(cached / "prometheus", cached / "promtool")
    for name in _PROGRAMS:
        _write_program(bin_folder / name)
    assert find_prometheus() == PrometheusPrograms(bin_folder / "prometheus", bin_folder / "promtool")


def test_package_is_unpacked_into_the_cache_once(bin_folder: Path, tmp_path: Path) -> None:
    """apt-get and dpkg-deb of the test's own: the first leaves a package, the second unpacks two programs."""
    calls = tmp_path / "calls"
    _write_program(bin_folder / "apt-get", f'#!/bin/sh\necho "$@" >> {calls}\n: > prometheus_1_all.deb\n')
    made = "".join(
        f"printf '#!/bin/sh\\n' > $3/usr/bin/{name}\n/bin/chmod 755 $3/usr/bin/{name}\n" for name in _PROGRAMS
    )
    _write_program(bin_folder / "dpkg-deb", f"#!/bin/sh\n/bin/mkdir -p $3/usr/bin\n{made}")
    assert get_prometheus() == get_prometheus()
    assert calls.read_text() == "download --quiet prometheus\n"
    assert [path.name for path in (tmp_path / "cache" / "cloudtrail-operator").iterdir()] == ["prometheus"]


def test_missing_package_lists_are_got_first(bin_folder: Path, tmp_path: Path) -> None:
    """apt-get of the test's own: it knows no package before it was updated in folders of its own."""
    known = tmp_path / "known"
    cases = f"*update*) : > {known};; *) : < {known}; : > p_1_all.deb;;"
    script = f'[ "$1" = download ] && exit 100\ncase "$*" in {cases} esac\n'
    _write_program(bin_folder / "apt-get", f"#!/bin/sh\n{script}")
    made = "".join(
        f"printf '#!/bin/sh\\n' > $3/usr/bin/{name}\n/bin/chmod 755 $3/usr/bin/{name}\n" for name in _PROGRAMS
    )
    _write_program(bin_folder / "dpkg-deb", f"#!/bin/sh\n/bin/mkdir -p $3/usr/bin\n{made}")
    assert get_prometheus() == find_prometheus()
    assert known.exists()


def test_reason_is_the_last_thing_that_apt_said(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NoPrometheusError, match="apt-get failed"):
        get_prometheus()
    _write_program(bin_folder / "apt-get", "#!/bin/sh\necho W: hm >&2\necho E: Unable to locate >&2\nexit 100\n")
    assert main() == 1
    assert "update --quiet failed: E: Unable to locate\n" in capsys.readouterr().err
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Unable to locate"):
        require_prometheus()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Unable to locate"):
        require_prometheus()
