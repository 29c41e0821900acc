"""The http sink against a real server: what it sends, with whose credentials, and what it makes of each answer."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from cloudtrail_collector.adapters.sinks.http import HttpSink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkSpec
from integration.http_stand_in import HttpStandIn, Received, Reply, build_server_tls
from localcluster.certificates import Authority
from support.secret_folder import SecretFolder, refer_to

LINES = [f'{{"eventID":"{number}"}}'.encode() for number in range(20)]


@pytest.fixture
def server() -> Iterator[HttpStandIn]:
    with HttpStandIn() as running:
        yield running


def build_sink(secrets: SecretFolder, url: str, timeout_seconds: int = 20, **http: Any) -> HttpSink:
    spec = {"name": "siem", "timeoutSeconds": timeout_seconds, "http": {"url": url} | http}
    return HttpSink(SinkSpec.model_validate(spec), secrets.files)


def build_batch(lines: list[bytes]) -> Batch:
    return Batch(b"".join(line + b"\n" for line in lines), len(lines))


def fail(sink: HttpSink, lines: list[bytes] = LINES) -> SinkError:
    with closing(sink), pytest.raises(SinkError) as caught:
        sink.deliver(build_batch(lines))
    return caught.value


# --- what is sent ---


@pytest.mark.parametrize("compression", ["None", "Gzip"])
@pytest.mark.parametrize(("encoding", "media"), [("NDJSON", "x-ndjson"), ("JSONArray", "json")])
def test_a_batch_is_one_request_in_the_encoding_wanted(
    encoding: str, media: str, compression: str, secrets: SecretFolder, server: HttpStandIn
) -> None:
    url = f"{server.url}/ingest/?tenant=a"
    with closing(build_sink(secrets, url, encoding=encoding, compression=compression)) as sink:
        assert not sink.deliver(build_batch(LINES))
        assert not sink.deliver(Batch(memoryview(LINES[0] + b"\n"), 1))
    first, second = server.requests
    assert first.headers["Content-Type"] == f"application/{media}"
    assert first.target == "/ingest/?tenant=a"
    assert server.connections == 1
    if encoding == "NDJSON":
        assert (first.lines, second.lines) == (LINES, LINES[:1])
    else:
        assert (json.loads(first.body), json.loads(second.body)) == (
            [json.loads(line) for line in LINES],
            [{"eventID": "0"}],
        )
    assert (first.sent_bytes < len(first.body)) == (compression == "Gzip")


def test_headers_and_credentials_come_from_spec_and_secrets_and_follow_their_changes(
    secrets: SecretFolder, server: HttpStandIn
) -> None:
    token = secrets.write("siem", "token", b"first-token\n")
    key = secrets.write("siem", "key", b"first key")
    headers = [{"name": "X-Tenant", "value": "blue"}, {"name": "X-Key", "secretValue": key}]
    with closing(build_sink(secrets, server.url, auth={"bearer": token}, headers=headers)) as sink:
        sink.deliver(build_batch(LINES))
        secrets.write("siem", "token", b"second-token")
        secrets.write("siem", "key", b"second key")
        sink.deliver(build_batch(LINES))
    names = ("Authorization", "X-Tenant", "X-Key")
    assert [[one.headers[name] for name in names] for one in server.requests] == [
        ["Bearer first-token", "blue", "first key"],
        ["Bearer second-token", "blue", "second key"],
    ]
    assert server.requests[0].headers["User-Agent"].startswith("cloudtrail-collector/")


def test_basic_credentials_and_a_user_agent_of_ones_own(secrets: SecretFolder, server: HttpStandIn) -> None:
    password = secrets.write("siem", "password", "pä:ss".encode())
    basic = {"basic": {"username": "ann", "password": password}}
    headers = [{"name": "user-agent", "value": "mine/1"}]
    with closing(build_sink(secrets, server.url, auth=basic, headers=headers)) as sink:
        sink.deliver(build_batch(LINES))
    (request,) = server.requests
    scheme, _, credentials = request.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(credentials).decode()) == ("Basic", "ann:pä:ss")
    assert request.headers.get_all("User-Agent") == ["mine/1"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "Secret siem has no key token, or does not exist"),
        (b"", "key token of Secret siem is empty"),
        (b"top\nsecret", "key token of Secret siem cannot stand in a header"),
        ("geheim-ß".encode(), "key token of Secret siem cannot stand in a header"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_not_told(
    value: bytes | None, said: str, secrets: SecretFolder, server: HttpStandIn
) -> None:
    if value is not None:
        secrets.write("siem", "token", value)
    failure = fail(build_sink(secrets, server.url, auth={"bearer": refer_to("siem", "token")}))
    assert failure.reason is Reason.SINK_MISCONFIGURED
    assert said in failure.message
    assert "geheim" not in failure.message
    assert server.connections == 0


# --- TLS ---


class Site:
    """An authority, and a Secret `tls` with what a client of it needs."""

    def __init__(self, directory: Path, secrets: SecretFolder) -> None:
        self.authority = Authority(directory)
        self.pair = self.authority.issue("client")
        self._secrets = secrets
        self.write()

    def write(self) -> None:
        self._secrets.write("tls", "ca.crt", self.authority.certificate.read_bytes())
        self._secrets.write("tls", "tls.crt", self.pair.certificate.read_bytes())
        self._secrets.write("tls", "tls.key", self.pair.key.read_bytes())


CA = {"ca": refer_to("tls", "ca.crt")}
MUTUAL = CA | {"certificate": refer_to("tls", "tls.crt"), "privateKey": refer_to("tls", "tls.key")}


@pytest.fixture
def site(tmp_path: Path, secrets: SecretFolder) -> Site:
    return Site(tmp_path / "authority", secrets)


def test_certificates_are_shown_both_ways_and_a_change_of_the_secrets_is_followed(
    tmp_path: Path, site: Site, secrets: SecretFolder
) -> None:
    first, second = site, Authority(tmp_path / "second")
    with HttpStandIn(tls=build_server_tls(first.authority, clients=first.authority)) as server:
        with closing(build_sink(secrets, server.url, tls=MUTUAL)) as sink:
            sink.deliver(build_batch(LINES))
            sink.deliver(build_batch(LINES))
            assert server.connections == 1
            # Everything that the Secret holds is new: the first server is not trusted any more.
            site.authority, site.pair = second, second.issue("client")
            site.write()
            assert "not of an authority that is trusted" in fail(sink).message
        assert len(server.requests) == 2
    tls = build_server_tls(second, clients=second)
    with HttpStandIn(tls=tls) as server, closing(build_sink(secrets, server.url, tls=MUTUAL)) as sink:
        sink.deliver(build_batch(LINES))
        assert server.accepted == LINES


def test_a_server_without_the_right_certificate_gets_nothing(tmp_path: Path, site: Site, secrets: SecretFolder) -> None:
    with HttpStandIn(tls=build_server_tls(Authority(tmp_path / "stranger"))) as server:
        failure = fail(build_sink(secrets, server.url, tls=CA))
        assert failure.reason is Reason.SINK_UNREACHABLE
        assert "not of an authority that is trusted" in failure.message
        assert "not of an authority that is trusted" in fail(build_sink(secrets, server.url)).message
    with HttpStandIn(tls=build_server_tls(site.authority)) as server:
        failure = fail(build_sink(secrets, server.url.replace("127.0.0.1", "127.0.0.2"), tls=CA))
        assert "is for another name" in failure.message
        assert not server.requests


def test_a_client_without_the_right_certificate_is_told_so(site: Site, secrets: SecretFolder) -> None:
    with HttpStandIn(tls=build_server_tls(site.authority, clients=site.authority)) as server:
        failure = fail(build_sink(secrets, server.url, tls=CA))
        assert "refuses the client certificate" in failure.message
        assert not server.requests


def test_tls_with_a_server_that_has_none(secrets: SecretFolder, server: HttpStandIn) -> None:
    failure = fail(build_sink(secrets, server.url.replace("http:", "https:")))
    assert f"127.0.0.1:{server.port} does not speak TLS" in failure.message


def _encrypt(pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pass")
    )


@pytest.mark.parametrize(
    ("key", "change", "said"),
    [
        ("ca.crt", lambda _: b"no certificate", "key ca.crt of Secret tls holds no PEM certificates"),
        ("tls.crt", lambda _: b"no certificate", "key tls.crt of Secret tls and key tls.key of Secret tls are no PEM"),
        ("tls.key", _encrypt, "without a passphrase"),
    ],
)
def test_certificates_that_cannot_be_used_are_named(
    key: str, change: Callable[[bytes], bytes], said: str, site: Site, secrets: SecretFolder
) -> None:
    secrets.write("tls", key, change(site.pair.key.read_bytes()))
    with HttpStandIn(tls=build_server_tls(site.authority)) as server:
        failure = fail(build_sink(secrets, server.url, tls=MUTUAL))
        assert failure.reason is Reason.SINK_MISCONFIGURED
        assert said in failure.message
        site.write()
        with closing(build_sink(secrets, server.url, tls=MUTUAL)) as sink:
            sink.deliver(build_batch(LINES))
        assert server.accepted == LINES


def test_a_key_of_another_certificate_is_named(site: Site, secrets: SecretFolder) -> None:
    secrets.write("tls", "tls.key", site.authority.issue("other").key.read_bytes())
    failure = fail(build_sink(secrets, "https://127.0.0.1:9", tls=MUTUAL))
    assert "key values mismatch" in failure.message


# --- proxies ---


def test_a_proxy_of_the_environment_is_used_as_a_tunnel_for_https(
    site: Site, secrets: SecretFolder, server: HttpStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:p%40ss@127.0.0.1:{server.port}")
    with HttpStandIn(tls=build_server_tls(site.authority)) as far:
        with closing(build_sink(secrets, far.url, tls=CA)) as sink:
            sink.deliver(build_batch(LINES))
            sink.deliver(build_batch(LINES))
        ((target, headers),) = server.tunnels
        assert target == f"127.0.0.1:{far.port}"
        assert base64.b64decode(headers["Proxy-Authorization"].removeprefix("Basic ")) == b"ann:p@ss"
        assert [one.headers["Proxy-Authorization"] for one in far.requests] == [None, None]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with closing(build_sink(secrets, far.url, tls=CA)) as sink:
            sink.deliver(build_batch(LINES))
        assert (len(server.tunnels), len(far.requests)) == (1, 3)


def test_a_proxy_gets_whole_urls_for_http(
    secrets: SecretFolder, server: HttpStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{server.port}")
    with closing(build_sink(secrets, "http://siem.example:8080/ingest?a=b")) as sink:
        sink.deliver(build_batch(LINES))
    (request,) = server.requests
    assert (request.target, request.headers["Host"]) == ("http://siem.example:8080/ingest?a=b", "siem.example:8080")


# --- answers ---


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(401), "refuses the credentials (401 Unauthorized)"),
        (Reply(403), "refuses the credentials (403 Forbidden)"),
        (Reply(404), "has nothing at this url (404 Not Found)"),
        (Reply(405), "takes no POST at this url"),
        (
            Reply(409, b"never\x00\x1b[31m\r\nseen " + b"x" * 900),
            "refuses the request (409 Conflict): never [31m seen xxx",
        ),
        (Reply(500, b"<h1>no</h1>", {"Content-Type": "text/html"}), "failed (500 Internal Server Error)"),
        (
            Reply(302, headers={"Location": "https://elsewhere.example/login?to=x"}),
            "answers 302 Found and sends on to https://elsewhere.example/login: redirects are not followed",
        ),
    ],
)
def test_a_status_that_accepts_nothing_is_a_failure_in_plain_words(
    reply: Reply, said: str, secrets: SecretFolder, server: HttpStandIn
) -> None:
    server.decide = lambda _: reply
    failure = fail(build_sink(secrets, server.url))
    assert (failure.reason, failure.code) == (Reason.SINK_REJECTED, str(reply.status))
    assert failure.message.startswith(f"127.0.0.1:{server.port} {said}")
    assert len(failure.message) < 400
    assert "<h1>" not in failure.message
    assert len(server.requests) == 1


def test_a_secret_that_the_server_echoes_is_not_told(secrets: SecretFolder, server: HttpStandIn) -> None:
    token = secrets.write("siem", "token", b"t0p-secret")
    server.decide = lambda request: Reply(403, request.headers["Authorization"].encode() + b" is unknown")
    failure = fail(build_sink(secrets, server.url, auth={"bearer": token}))
    assert failure.message.endswith(": Bearer *** is unknown")


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_pause_that_a_server_asks_for_comes_with_the_failure(
    form: str, secrets: SecretFolder, server: HttpStandIn
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.decide = lambda _: Reply(503, headers={"Retry-After": "90" if form == "seconds" else date})
    failure = fail(build_sink(secrets, server.url))
    assert failure.retry_after is not None
    assert 60 <= failure.retry_after <= 90


def test_a_name_that_is_none_and_a_port_where_nobody_listens(secrets: SecretFolder) -> None:
    failure = fail(build_sink(secrets, f"http://{'a' * 64}.example/"))
    assert "no address is found for aaaa" in failure.message
    with HttpStandIn() as gone:
        url = gone.url
    assert fail(build_sink(secrets, url)).message == f"{url.removeprefix('http://')} refuses connections"


# --- refused events ---


def _refuse(status: int, is_bad: Callable[[bytes], bool]) -> Callable[[Received], Reply]:
    def decide(request: Received) -> Reply:
        bad = [line for line in request.lines if is_bad(line)]
        return Reply(status, b"bad: " + bad[0]) if bad else Reply()

    return decide


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("bad", [{0}, {7}, {19}, {3, 4, 12}, {0, 19}])
def test_refused_events_are_found_and_the_others_arrive_once(
    bad: set[int], status: int, secrets: SecretFolder, server: HttpStandIn
) -> None:
    wrong = [LINES[index] for index in sorted(bad)]
    server.decide = _refuse(status, lambda line: line in wrong)
    with closing(build_sink(secrets, server.url, compression="Gzip")) as sink:
        rejections = sink.deliver(build_batch(LINES))
    assert [(one.index, one.code) for one in rejections] == [(index, str(status)) for index in sorted(bad)]
    assert [one.message for one in rejections] == [f"bad: {line.decode()}" for line in wrong]
    assert server.accepted == [line for line in LINES if line not in wrong]


def test_a_body_that_is_too_large_is_sent_in_smaller_ones(secrets: SecretFolder, server: HttpStandIn) -> None:
    server.decide = lambda request: Reply(413 if len(request.body) > 100 else 200)
    with closing(build_sink(secrets, server.url)) as sink:
        assert sink.deliver(build_batch(LINES)) == []
    assert server.accepted == LINES


def test_a_server_that_refuses_everything_makes_no_dead_letters(secrets: SecretFolder, server: HttpStandIn) -> None:
    server.decide = lambda _: Reply(400, b"no such tenant")
    failure = fail(build_sink(secrets, server.url))
    assert (failure.reason, failure.code) == (Reason.SINK_REJECTED, "400")
    assert "rather the sink's settings" in failure.message
    assert "no such tenant" in failure.message
    assert len(server.requests) < 2 * len(LINES)


def test_few_events_that_are_all_refused_are_refused(secrets: SecretFolder, server: HttpStandIn) -> None:
    server.decide = lambda _: Reply(422)
    with closing(build_sink(secrets, server.url)) as sink:
        rejections = sink.deliver(build_batch(LINES[:8]))
    assert [one.index for one in rejections] == list(range(8))
    assert {one.message for one in rejections} == {f"127.0.0.1:{server.port} refuses the event"}


def test_a_failure_while_refused_events_are_sought_fails_the_batch(secrets: SecretFolder, server: HttpStandIn) -> None:
    server.decide = lambda request: Reply(400 if len(request.lines) > 10 else 503)
    assert fail(build_sink(secrets, server.url)).code == "503"


def test_t31_the_search_for_refused_events_has_the_deadline_of_the_batch(
    secrets: SecretFolder, server: HttpStandIn
) -> None:
    ended = threading.Event()

    def decide(request: Received) -> Reply:
        if len(request.lines) < len(LINES):
            ended.wait(20)
        return Reply(400)

    server.decide = decide
    started = time.monotonic()
    failure = fail(build_sink(secrets, server.url, timeout_seconds=1))
    ended.set()
    assert failure.code == ACK_TIMEOUT
    assert time.monotonic() - started < 15
