"""Runs a real etcd, kube-apiserver and kube-controller-manager on loopback for the length of a block."""

import shutil
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster.assets import ControlPlaneBinaries
from localcluster.certificates import Authority, KeyPair, write_kubeconfig, write_signing_key
from localcluster.process import Process, free_port

DEFAULT_ISSUER = "https://kubernetes.default.svc"

_START_SECONDS = 60
_ATTEMPTS = 3
# What Deployments, Jobs, namespaces, tokens and owner references need; nothing about nodes, storage or autoscaling.
_CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "ttl-after-finished-controller",
)


@contextmanager
def running_control_plane(
    binaries: ControlPlaneBinaries,
    directory: Path,
    *,
    issuer: str = DEFAULT_ISSUER,
    controller_flags: Mapping[str, object] | None = None,
) -> Iterator[Path]:
    """Yield the kubeconfig of an administrator. Afterwards all is stopped, and only the logs are left in the folder.

    ServiceAccount tokens name `issuer`; `controller_flags` win over our own flags of kube-controller-manager. Raises
    RuntimeError with the end of a log when a part does not come up.
    """
    directory.mkdir(parents=True, exist_ok=True)
    plane = _ControlPlane(binaries, directory, issuer, controller_flags or {})
    with ExitStack() as stack:
        stack.callback(plane.delete_files)
        plane.create_files()
        yield _start(plane, stack)


def _start(plane: "_ControlPlane", stack: ExitStack) -> Path:
    """Start the parts; a port that another program took between our choice and its use is chosen anew."""
    for attempt in range(1, _ATTEMPTS + 1):
        with ExitStack() as parts:
            try:
                kubeconfig = plane.start(parts)
            except RuntimeError as error:
                if attempt == _ATTEMPTS or "address already in use" not in str(error):
                    raise
                continue
            stack.enter_context(parts.pop_all())
            return kubeconfig
    raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True)
class _ControlPlane:
    binaries: ControlPlaneBinaries
    directory: Path
    issuer: str
    controller_flags: Mapping[str, object]

    @property
    def _keys(self) -> Path:
        return self.directory / "keys"

    @property
    def _data(self) -> Path:
        return self.directory / "etcd"

    def create_files(self) -> None:
        authority = Authority(self._keys)
        authority.issue("etcd")
        authority.issue("kube-apiserver")
        authority.issue("admin", "system:masters")
        authority.issue("system:kube-controller-manager")
        write_signing_key(self._keys / "service-account.key")

    def delete_files(self) -> None:
        for path in (self._keys, self._data):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.directory.glob("*.kubeconfig"):
            path.unlink()

    def start(self, stack: ExitStack) -> Path:
        """Start the three, each when the one before it answers."""
        shutil.rmtree(self._data, ignore_errors=True)
        etcd_url = self._start_etcd(stack)
        server = self._start_apiserver(stack, etcd_url)
        self._start_controller_manager(stack, server)
        kubeconfig = self.directory / "admin.kubeconfig"
        write_kubeconfig(kubeconfig, server=server, authority=self._keys / "ca.crt", client=self._pair("admin"))
        return kubeconfig

    def _start_etcd(self, stack: ExitStack) -> str:
        url, peer = f"https://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        pair = self._pair("etcd")
        flags = {
            "data-dir": self._data,
            "listen-client-urls": url,
            "advertise-client-urls": url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "cert-file": pair.certificate,
            "key-file": pair.key,
            "client-cert-auth": "true",
            "trusted-ca-file": self._keys / "ca.crt",
            # The data live as long as the run: losing them in a crash of the machine loses nothing.
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }
        self._run(stack, self.binaries.etcd, flags, lambda: self._answers(f"{url}/health"))
        return url

    def _start_apiserver(self, stack: ExitStack, etcd_url: str) -> str:
        port = free_port()
        url = f"https://127.0.0.1:{port}"
        pair, store, signing_key = self._pair("kube-apiserver"), self._pair("admin"), self._keys / "service-account.key"
        flags = {
            "bind-address": "127.0.0.1",
            "secure-port": port,
            "tls-cert-file": pair.certificate,
            "tls-private-key-file": pair.key,
            "client-ca-file": self._keys / "ca.crt",
            "etcd-servers": etcd_url,
            "etcd-cafile": self._keys / "ca.crt",
            "etcd-certfile": store.certificate,
            "etcd-keyfile": store.key,
            # With this one it asks the node agent for logs.
            "kubelet-client-certificate": store.certificate,
            "kubelet-client-key": store.key,
            "authorization-mode": "RBAC",
            "service-account-issuer": self.issuer,
            "service-account-key-file": signing_key,
            "service-account-signing-key-file": signing_key,
            "service-cluster-ip-range": "10.0.0.0/24",
            # A loopback address is refused as an endpoint of the kubernetes Service, which nobody uses here.
            "endpoint-reconciler-type": "none",
            "profiling": "false",
        }
        self._run(stack, self.binaries.apiserver, flags, lambda: self._answers(f"{url}/readyz"))
        return url

    def _start_controller_manager(self, stack: ExitStack, server: str) -> None:
        kubeconfig = self.directory / "controller-manager.kubeconfig"
        pair = self._pair("kube-controller-manager")
        write_kubeconfig(kubeconfig, server=server, authority=self._keys / "ca.crt", client=pair)
        flags = {
            "kubeconfig": kubeconfig,
            "controllers": ",".join(_CONTROLLERS),
            "use-service-account-credentials": "true",
            "service-account-private-key-file": self._keys / "service-account.key",
            "root-ca-file": self._keys / "ca.crt",
            "leader-elect": "false",
            "secure-port": 0,
            "kube-api-qps": 200,
            "kube-api-burst": 400,
        } | dict(self.controller_flags)
        # It is at work when the first ServiceAccount appears, without which no Pod can be created.
        probe = f"{server}/api/v1/namespaces/default/serviceaccounts/default"
        self._run(stack, self.binaries.controller_manager, flags, lambda: self._answers(probe))

    def _run(self, stack: ExitStack, program: Path, flags: dict[str, object], probe: Callable[[], bool]) -> None:
        command: list[str | Path] = [program, *(f"--{name}={value}" for name, value in flags.items())]
        log = self.directory / f"{program.name}.log"
        process = Process(program.name, command, log, environment={"PATH": "/usr/bin:/bin"}, directory=self.directory)
        stack.enter_context(process).wait_ready(probe, _START_SECONDS)

    def _pair(self, name: str) -> KeyPair:
        return KeyPair(self._keys / f"{name}.key", self._keys / f"{name}.crt")

    def _answers(self, url: str) -> bool:
        context = ssl.create_default_context(cafile=self._keys / "ca.crt")
        admin = self._pair("admin")
        context.load_cert_chain(admin.certificate, admin.key)
        try:
            with urllib.request.urlopen(url, timeout=2, context=context) as response:  # noqa: S310 - our own URL
                return bool(response.status == 200)
        except OSError:
            return False
