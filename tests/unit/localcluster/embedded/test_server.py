"""The server in this process, over real HTTP: what the conformance tests cannot ask of a real one."""

import asyncio
import base64
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from localcluster.embedded.jsontypes import Json
from localcluster.embedded.server import ApiServer
from localcluster.embedded.subresources import LOG_DIR_ANNOTATION

TESTS = Path(__file__).parents[3]
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    server = ApiServer()
    endpoint = await server.start()
    context = ssl.create_default_context(cadata=endpoint.trust_anchor)
    headers = {"Authorization": f"Bearer {endpoint.token}"}
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(endpoint.url, headers=headers, connector=connector) as session:
        yield session
    await server.stop()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def post(client: aiohttp.ClientSession, path: str, body: Json) -> Json:
    async with client.post(path, json=body) as response:
        answer: Json = await response.json()
        assert response.status == 201, answer
        return answer


async def make_running_pod(client: aiohttp.ClientSession, log_dir: Path) -> Path:
    node = {"metadata": {"name": "n", "annotations": {LOG_DIR_ANNOTATION: str(log_dir)}}}
    await post(client, "/api/v1/nodes", node)
    pod = await post(
        client, PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": "i"}]}}
    )
    await post(client, f"{PODS}/p/binding", {"target": {"kind": "Node", "name": "n"}})
    log = log_dir / str(pod["metadata"]["uid"]) / "main.log"
    log.parent.mkdir()
    log.write_text("one\ntwo\nthree\n")
    return log


async def test_log_of_a_pod(client: aiohttp.ClientSession, tmp_path: Path) -> None:
    await make_running_pod(client, tmp_path)
    async with client.get(f"{PODS}/p/log") as response:
        assert await response.text() == "one\ntwo\nthree\n"
    async with client.get(f"{PODS}/p/log?tailLines=1&container=main") as response:
        assert await response.text() == "three\n"
    async with client.get(f"{PODS}/p/log?previous=true") as response:
        assert response.status == 400


async def test_followed_log_ends_with_the_pod(client: aiohttp.ClientSession, tmp_path: Path) -> None:
    log = await make_running_pod(client, tmp_path)
    async with client.get(f"{PODS}/p/log?follow=true&tailLines=1") as response:
        assert await response.content.readline() == b"three\n"
        with log.open("a") as file:
            file.write("four\n")
        assert await response.content.readline() == b"four\n"
        async with client.delete(f"{PODS}/p", json={"gracePeriodSeconds": 0}) as deleted:
            assert deleted.status == 200
        assert await asyncio.wait_for(response.content.read(), 5) == b""


async def test_pod_token_ends_with_its_pod(client: aiohttp.ClientSession, tmp_path: Path) -> None:
    await make_running_pod(client, tmp_path)
    spec = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}
    request = await post(client, "/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": spec})
    bearer = {"Authorization": f"Bearer {request['status']['token']}"}
    async with client.get("/apis", headers=bearer) as response:
        assert response.status == 200
    async with client.delete(f"{PODS}/p", json={"gracePeriodSeconds": 0}) as response:
        assert response.status == 200
    async with client.get("/apis", headers=bearer) as response:
        assert response.status == 401


async def test_token_can_be_checked_by_anybody(client: aiohttp.ClientSession) -> None:
    async with client.get("/.well-known/openid-configuration", headers={"Authorization": ""}) as response:
        discovery = await response.json()
    async with client.get(discovery["jwks_uri"].removeprefix(discovery["issuer"])) as response:
        (key,) = (await response.json())["keys"]
    request = await post(client, "/api/v1/namespaces/default/serviceaccounts/default/token", {})
    signed, _, signature = request["status"]["token"].rpartition(".")
    header, claims = (json.loads(decode(part)) for part in signed.split("."))
    assert (header["kid"], header["alg"], claims["iss"]) == (key["kid"], "RS256", discovery["issuer"])
    public = rsa.RSAPublicNumbers(*(int.from_bytes(decode(key[name])) for name in ("e", "n"))).public_key()
    public.verify(decode(signature), signed.encode(), padding.PKCS1v15(), SHA256())


async def test_nobody_may_do_nothing(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/namespaces", headers={"Authorization": ""}) as response:
        assert response.status == 403
        assert (await response.json())["message"] == (
            'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" '
            "at the cluster scope"
        )
    async with client.get("/version", headers={"Authorization": ""}) as response:
        assert response.status == 200


async def test_version_of_an_earlier_server_is_refused(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/namespaces?resourceVersion=999999") as response:
        assert (response.status, response.headers["Retry-After"]) == (504, "1")


async def test_open_watch_does_not_hold_up_the_end() -> None:
    server = ApiServer()
    endpoint = await server.start()
    context = ssl.create_default_context(cadata=endpoint.trust_anchor)
    headers = {"Authorization": f"Bearer {endpoint.token}"}
    async with (
        aiohttp.ClientSession(endpoint.url, headers=headers) as session,
        session.get("/api/v1/pods?watch=true", ssl=context) as response,
    ):
        assert response.status == 200
        await asyncio.wait_for(server.stop(), 5)


@pytest.mark.parametrize("passes", [0, 1, 2])
async def test_end_is_not_held_up_by_a_change_in_the_same_moment(passes: int) -> None:
    server = ApiServer()
    endpoint = await server.start()
    context = ssl.create_default_context(cadata=endpoint.trust_anchor)
    headers = {"Authorization": f"Bearer {endpoint.token}"}
    async with aiohttp.ClientSession(
        endpoint.url, headers=headers, connector=aiohttp.TCPConnector(ssl=context)
    ) as client:
        await post(client, PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": "i"}]}})
        await asyncio.sleep(0.1)  # the controllers rest again
        server._controllers._wake.set()
        for _ in range(passes):
            await asyncio.sleep(0)
        await asyncio.wait_for(server.stop(), 5)


def test_process_says_where_it_is_and_ends_on_a_signal(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "localcluster.embedded", "--port", "0", "--kubeconfig", str(kubeconfig)]
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert time.monotonic() - started < 15
        config = yaml.safe_load(kubeconfig.read_text())
        assert config["clusters"][0]["cluster"]["server"] in line
        assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


async def test_memory_of_watch_events_is_bounded(client: aiohttp.ClientSession) -> None:
    await post(client, "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "c"}, "data": {"n": ""}})
    async with client.get("/api/v1/namespaces/default/configmaps") as response:
        start = (await response.json())["metadata"]["resourceVersion"]
    merge = {"Content-Type": "application/merge-patch+json"}
    for number in range(1100):
        patch = json.dumps({"data": {"n": str(number)}})
        async with client.patch("/api/v1/namespaces/default/configmaps/c", data=patch, headers=merge) as response:
            assert response.status == 200
    path = f"/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=1&resourceVersion={start}"
    async with client.get(path) as response:
        event = json.loads(await response.content.readline())
    assert (event["type"], event["object"]["reason"]) == ("ERROR", "Expired")
