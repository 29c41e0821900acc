"""Says on what was measured: figures mean nothing without it."""

import platform
from pathlib import Path


def describe_machine() -> str:
    """Describe processor and interpreter in a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{len(models)} x {model}, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
