"""The control plane: turns CloudTrailSources into collector workloads and reports what became of them."""

from importlib.metadata import version

__version__ = version("cloudtrail-operator")
