"""Ways to the API server."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.adapters.access import AccessError, read_kubeconfig


def _write(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:6443/"} | cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_token_is_read_anew_each_time(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n", encoding="utf-8")
    access = read_kubeconfig(_write(tmp_path, {}, {"tokenFile": "token"}))
    assert access.read_token() == "one"
    (tmp_path / "token").write_text("two\n", encoding="utf-8")
    assert access.read_token() == "two"


def test_certificates_stand_inline_or_in_files(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(b"key")
    user = {"client-certificate-data": base64.b64encode(b"cert").decode(), "client-key": "key.pem"}
    access = read_kubeconfig(_write(tmp_path, {}, user))
    assert (access.server, access.certificate_data, access.key_data) == ("https://127.0.0.1:6443", b"cert", b"key")


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    assert "hush" not in repr(read_kubeconfig(_write(tmp_path, {}, {"token": "hush"})))


@pytest.mark.parametrize("text", ["", "[]", "a: [", "contexts: []\ncurrent-context: x"], ids=repr)
def test_broken_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AccessError, match="config"):
        read_kubeconfig(path)


def test_missing_file_and_unsupported_credentials_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="absent"):
        read_kubeconfig(tmp_path / "absent")
    with pytest.raises(AccessError, match="exec"):
        read_kubeconfig(_write(tmp_path, {}, {"exec": {}}))
