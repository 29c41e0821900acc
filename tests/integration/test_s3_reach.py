"""Where AWS is reached, and over what: partitions, endpoints of one's own, proxies, certificates."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cloudtrail_collector.adapters.aws import AwsClients, prepare_environment
from cloudtrail_collector.adapters.s3 import S3Objects
from cloudtrail_collector.adapters.sqs import SqsQueue, build_url
from cloudtrail_collector.adapters.sqs_caller import SqsCaller
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import PipelineSpec
from integration.s3_stand_in import S3StandIn
from localcluster.certificates import Authority

BUCKET = "acme-trail"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Keys, and nothing else that steers a client."""
    for name in ("AWS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return monkeypatch


class ProxyRecorder(ThreadingHTTPServer):
    """A proxy that lets nobody through, and keeps who wanted to go where."""

    daemon_threads = True

    def __init__(self) -> None:
        self.targets: list[str] = []
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _ProxyHandler(BaseHTTPRequestHandler):
    server: ProxyRecorder

    def do_CONNECT(self) -> None:
        self.server.targets.append(self.path)
        self.send_error(403)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass


@pytest.fixture
def proxy() -> Iterator[ProxyRecorder]:
    with ProxyRecorder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def build_spec(partition: str = "aws", region: str = "us-east-1", **changes: Any) -> PipelineSpec:
    arn = f"arn:{partition}:sqs:{region}:111122223333:trail"
    sinks = [{"name": "out", "discard": {}}]
    base = {"mode": "Active", "bucket": BUCKET, "queueArn": arn, "region": region, "sinks": sinks}
    return PipelineSpec.model_validate(base | changes)


def read_object(spec: PipelineSpec) -> bytes:
    return bytes(S3Objects(AwsClients(spec, connections=2), spec).open(BUCKET, "AWSLogs/x").read())


@pytest.mark.parametrize(
    ("partition", "region", "suffix"),
    [
        ("aws", "eu-central-1", "amazonaws.com"),
        ("aws-us-gov", "us-gov-west-1", "amazonaws.com"),
        ("aws-cn", "cn-north-1", "amazonaws.com.cn"),
        ("aws-iso", "us-iso-east-1", "c2s.ic.gov"),
        ("aws-iso-b", "us-isob-east-1", "sc2s.sgov.gov"),
    ],
)
def test_t42_every_client_calls_its_own_partition_and_region_through_the_proxy(
    partition: str, region: str, suffix: str, proxy: ProxyRecorder, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("HTTPS_PROXY", proxy.url)
    spec = build_spec(partition, region)
    clients = AwsClients(spec, connections=2)
    with pytest.raises(AwsError) as caught:
        SqsQueue(SqsCaller(clients, lambda *_: None), spec).read_figures()
    assert caught.value.reason is Reason.ENDPOINT_UNREACHABLE
    assert set(proxy.targets) == {f"sqs.{region}.{suffix}:443"}
    assert build_url(spec) == f"https://sqs.{region}.{suffix}/111122223333/trail"
    proxy.targets.clear()
    with pytest.raises(AwsError) as caught:
        S3Objects(clients, spec).open(BUCKET, "AWSLogs/x")
    assert caught.value.resource == f"arn:{partition}:s3:::{BUCKET}/AWSLogs/x"
    assert proxy.targets == [f"s3.{region}.{suffix}:443"] * 2  # obstore and boto3
    proxy.targets.clear()
    environment.setenv("AWS_ACCESS_KEY_ID", "")
    environment.setenv("AWS_ROLE_ARN", role := f"arn:{partition}:iam::111122223333:role/collector")
    environment.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    (tmp_path / "token").write_text("token")
    with pytest.raises(AwsError) as caught:
        AwsClients(spec, connections=2).credentials.get_frozen_credentials()
    assert (caught.value.action, caught.value.resource) == ("sts:AssumeRoleWithWebIdentity", role)
    assert set(proxy.targets) == {f"sts.{region}.{suffix}:443"}


def test_the_first_endpoint_that_is_set_wins(environment: pytest.MonkeyPatch) -> None:
    everywhere: dict[str, Any] = {"endpointUrl": "https://all.example.com/"}
    single = {f"{name}": f"https://{name}.example.com" for name in ("sqs", "s3", "sts")}

    def find(**changes: Any) -> tuple[str, str, str | None]:
        spec = build_spec(**changes)
        values = {"AWS_ENDPOINT_URL_STS": "https://env-sts.example.com"}
        prepare_environment(values, spec, "default/trail")
        clients = AwsClients(spec, connections=2)
        return clients.sqs.meta.endpoint_url, clients.s3.meta.endpoint_url, values["AWS_ENDPOINT_URL_STS"]

    environment.setenv("AWS_ENDPOINT_URL", "https://env.example.com")
    environment.setenv("AWS_ENDPOINT_URL_S3", "https://env-s3.example.com")
    from_environment = ("https://env.example.com", "https://env-s3.example.com", "https://env-sts.example.com")
    assert find() == from_environment
    assert find(**everywhere) == ("https://all.example.com/",) * 3
    assert find(**everywhere, endpoints={"s3": single["s3"]}) == (
        "https://all.example.com/",
        "https://s3.example.com",
        "https://all.example.com/",
    )
    assert find(**everywhere, endpoints=single) == tuple(single.values())
    assert build_url(build_spec(endpoints=single)) == "https://sqs.example.com/111122223333/trail"


def test_fips_endpoints_are_used_where_they_are_asked_for(
    proxy: ProxyRecorder, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    environment.setenv("HTTPS_PROXY", proxy.url)
    with pytest.raises(AwsError):
        read_object(build_spec("aws-us-gov", "us-gov-west-1"))
    assert proxy.targets == ["s3-fips.us-gov-west-1.amazonaws.com:443"] * 2


@pytest.mark.parametrize("key_of_no_proxy", ["NO_PROXY", "no_proxy"])
def test_no_proxy_names_hosts_that_are_reached_directly(
    key_of_no_proxy: str, proxy: ProxyRecorder, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HTTP_PROXY", proxy.url)
    environment.setenv(key_of_no_proxy, "127.0.0.1,.cluster.local")
    with S3StandIn() as s3:
        s3.objects[BUCKET, "AWSLogs/x"] = b"stored"
        assert read_object(build_spec(endpoints={"s3": s3.url})) == b"stored"
        assert len(s3.requests) == 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def tls_s3(authority: Authority) -> Iterator[S3StandIn]:
    """S3 behind a certificate of an authority that no system knows."""
    pair = authority.issue("s3")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with S3StandIn(context) as s3:
        s3.objects[BUCKET, "AWSLogs/x"] = s3.objects[BUCKET, "odd//x"] = b"stored"
        yield s3


def test_both_clients_trust_the_authority_in_aws_ca_bundle(
    tls_s3: S3StandIn, authority: Authority, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AWS_CA_BUNDLE", str(authority.certificate))
    spec = build_spec(endpoints={"s3": tls_s3.url})
    objects = S3Objects(AwsClients(spec, connections=2), spec)
    assert bytes(objects.open(BUCKET, "AWSLogs/x").read()) == b"stored"
    assert bytes(objects.open(BUCKET, "odd//x").read()) == b"stored"
    assert [request.agent.split("/")[0] for request in tls_s3.requests] == ["cloudtrail-collector", "Boto3"]


def test_an_unknown_authority_is_refused(tls_s3: S3StandIn) -> None:
    with pytest.raises(AwsError) as caught:
        read_object(build_spec(endpoints={"s3": tls_s3.url}))
    assert (caught.value.code, caught.value.reason) == ("SSLError", Reason.ENDPOINT_UNREACHABLE)
    assert tls_s3.requests == []


def test_a_bundle_that_is_not_there_is_an_error_of_the_request(
    tls_s3: S3StandIn, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("AWS_CA_BUNDLE", str(tmp_path / "absent"))
    with pytest.raises(AwsError) as caught:
        read_object(build_spec(endpoints={"s3": tls_s3.url}))
    assert caught.value.code == "SSLError"
    assert "No such file" in caught.value.message
    assert tls_s3.requests == []
