"""Turns a container's manifest into the command, arguments and environment of a process."""

import re
from collections.abc import Mapping
from typing import Any

from localcluster.node.api import Manifest
from localcluster.node.paths import MountPaths
from localcluster.node.quantities import divide_quantity
from localcluster.node.references import ConfigError, References

# `$(NAME)` is a variable, `$$` a dollar sign.
_REFERENCE = re.compile(r"\$(?:\$|\(([^()]+)\))")
# A node without limits shows its own capacity; these are figures that a program can live with.
_UNLIMITED = {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "10Gi"}


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` of known variables; unknown ones stay as they are, as in Kubernetes."""

    def replacement(found: re.Match[str]) -> str:
        name = found.group(1)
        return "$" if name is None else variables.get(name, found.group())

    return _REFERENCE.sub(replacement, text)


def build_command(container: Manifest, environment: Mapping[str, str], mounts: MountPaths) -> list[str]:
    """Build the argument list. Without a command, the program named like the image stands in for its entry point."""
    program = container.get("command") or [container["image"].rpartition("/")[2].partition("@")[0].partition(":")[0]]
    return [mounts.rewrite(expand(part, environment)) for part in [*program, *(container.get("args") or [])]]


async def build_environment(
    container: Manifest, references: References, mounts: MountPaths, base: Mapping[str, str]
) -> dict[str, str]:
    """Build the environment: the base, then `envFrom`, then `env` in order. Raises ConfigError if something is missing."""
    environment = dict(base)
    for source in container.get("envFrom") or []:
        environment |= await _read_source(source, references)
    for variable in container.get("env") or []:
        value = await _resolve(variable, container, references, environment)
        if value is not None:
            environment[variable["name"]] = mounts.rewrite(value)
    return environment


async def _read_source(source: Manifest, references: References) -> dict[str, str]:
    if "configMapRef" in source:
        reference = source["configMapRef"]
        data = await references.read_config_map(reference["name"], optional=reference.get("optional", False))
    else:
        reference = source["secretRef"]
        data = await references.read_secret(reference["name"], optional=reference.get("optional", False))
    return {source.get("prefix", "") + key: value.decode() for key, value in data.items()}


async def _resolve(
    variable: Manifest, container: Manifest, references: References, environment: Mapping[str, str]
) -> str | None:
    source: Manifest | None = variable.get("valueFrom")
    if not source:
        return expand(variable.get("value") or "", environment)
    if "fieldRef" in source:
        return references.resolve_field(source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resolve_resource(container, source["resourceFieldRef"])
    return await _read_key(source, references)


async def _read_key(source: Manifest, references: References) -> str | None:
    for kind, read in (("configMap", references.read_config_map), ("secret", references.read_secret)):
        if reference := source.get(f"{kind}KeyRef"):
            optional = reference.get("optional", False)
            data = await read(reference["name"], optional=optional)
            if reference["key"] in data:
                return data[reference["key"]].decode()
            if optional:
                return None
            raise ConfigError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    raise ConfigError(f"valueFrom {', '.join(source)} is not supported")


def resolve_resource(container: Manifest, reference: Manifest) -> str:
    """Return what a resourceFieldRef names, `limits.memory` for one, in units of its divisor."""
    section, _, resource = reference["resource"].partition(".")
    resources: dict[str, Any] = container.get("resources") or {}
    amounts = {**_UNLIMITED, **(resources.get("limits") or {})} if section == "limits" else resources.get(section) or {}
    return divide_quantity(str(amounts.get(resource, "0")), str(reference.get("divisor", "0")))
