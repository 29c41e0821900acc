"""Turns the environment and the configuration file into what a process runs with; every mistake is listed at once."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from cloudtrail_collector.errors import ConfigurationError
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.pipeline import Mode, PipelineSpec

LOG_LEVELS = ("Debug", "Info", "Warning", "Error")


@dataclass(frozen=True)
class Settings:
    """Settings of the process, from `CLOUDTRAIL_*`.

    `listen_host`: an address of the pod; empty: all of them, IPv4 and IPv6.
    `drain_seconds`: how long the end of the process may take after SIGTERM; keep it below the pod's grace period.
    `workers`: messages that are worked on at once. The curve is in docs/benchmarks.md.
    `no_objects_seconds`: how long messages may come without one log file to read before /status complains.
    `look_seconds`: how often digest files are looked for that messages wait for (integrity Enforce).
    `source`: namespace/name of the source, for logs and the session name of the role.
    `secrets_directory`: where the Secrets that the configuration refers to are, `<Secret>/<key>`.
    """

    listen_host: str = ""
    listen_port: int = 8080
    log_level: str = "Info"
    drain_seconds: int = 45
    workers: int = 16
    no_objects_seconds: int = 1800
    look_seconds: int = 300
    source: str = ""
    secrets_directory: Path = Path("/etc/cloudtrail/secrets")


@dataclass(frozen=True, slots=True)
class Configuration:
    """The pipeline, and the SHA-256 of the file's bytes, by which the operator knows which one runs."""

    pipeline: PipelineSpec
    digest: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Parse the settings; absent and empty ones have their defaults. Raises ConfigurationError."""
    given = {name: value for name, value in environment.items() if value}
    errors: list[str] = []
    level = given.get("CLOUDTRAIL_LOG_LEVEL", Settings.log_level).capitalize()
    if level not in LOG_LEVELS:
        errors.append(f"CLOUDTRAIL_LOG_LEVEL: must be one of {', '.join(LOG_LEVELS)}")
    settings = Settings(
        listen_host=given.get("CLOUDTRAIL_LISTEN_HOST", Settings.listen_host),
        listen_port=_read_int(given, "CLOUDTRAIL_LISTEN_PORT", (Settings.listen_port, 0, 65_535), errors),
        log_level=level,
        drain_seconds=_read_int(given, "CLOUDTRAIL_DRAIN_SECONDS", (Settings.drain_seconds, 1, 3600), errors),
        workers=_read_int(given, "CLOUDTRAIL_WORKERS", (Settings.workers, 1, 64), errors),
        no_objects_seconds=_read_int(
            given, "CLOUDTRAIL_NO_OBJECTS_SECONDS", (Settings.no_objects_seconds, 1, 604_800), errors
        ),
        look_seconds=_read_int(given, "CLOUDTRAIL_LOOK_SECONDS", (Settings.look_seconds, 1, 3600), errors),
        source=given.get("CLOUDTRAIL_SOURCE", Settings.source),
        secrets_directory=Path(given.get("CLOUDTRAIL_SECRETS_DIRECTORY", Settings.secrets_directory)),
    )
    if errors:
        raise ConfigurationError(errors)
    return settings


def _read_int(given: Mapping[str, str], name: str, bounds: tuple[int, int, int], errors: list[str]) -> int:
    default, low, high = bounds
    text = given.get(name, str(default))
    if re.fullmatch("[0-9]{1,9}", text) and low <= int(text) <= high:
        return int(text)
    errors.append(f"{name}: must be a whole number from {low} to {high}")
    return default


def read_configuration(path: Path) -> Configuration:
    """Load and check the configuration file. Raises ConfigurationError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror or error}"]) from error
    try:
        pipeline = PipelineSpec.model_validate_json(content)
    except ValidationError as error:
        lines = describe_errors(error, root="")
        # What is about no field is about the file.
        raise ConfigurationError([f"{path}{line}" if line.startswith(": ") else line for line in lines]) from error
    if pipeline.mode is Mode.PAUSED:
        raise ConfigurationError(["mode: a collector does not run in mode Paused, use Test or Active"])
    return Configuration(pipeline, hashlib.sha256(content).hexdigest())
