"""What GitOps tools make of a resource of ours: kstatus' rules, and Argo CD's health check."""

from pathlib import Path
from typing import Any

from lupa import lua51

HEALTH_CHECK = Path(__file__).parents[2] / "docs" / "gitops" / "argocd-health.lua"

Manifest = dict[str, Any]


def compute_kstatus(resource: Manifest) -> str:
    """Apply kstatus' rules to a resource, in their order."""
    if "deletionTimestamp" in resource["metadata"]:
        return "Terminating"
    if resource["status"]["observedGeneration"] != resource["metadata"]["generation"]:
        return "InProgress"
    for condition in resource["status"].get("conditions", []):
        if (condition["type"], condition["status"]) == ("Reconciling", "True"):
            return "InProgress"
        if (condition["type"], condition["status"]) == ("Stalled", "True"):
            return "Failed"
    ready = [item["status"] for item in resource["status"].get("conditions", []) if item["type"] == "Ready"]
    return "Current" if ready == ["True"] else "InProgress"


def ask_argo(resource: Manifest) -> tuple[str, str]:
    """Run the health check as Argo CD does: `obj` is the resource, and of Lua's libraries there is next to nothing."""
    lua = lua51.LuaRuntime(register_eval=False, register_builtins=False)
    run = lua.execute(
        "return function(script, object)"
        " local check = loadstring(script)"
        " setfenv(check, {obj = object, ipairs = ipairs})"
        " return check() end"
    )
    health = run(HEALTH_CHECK.read_text(encoding="utf-8"), lua.table_from(resource, recursive=True))
    return health["status"], health["message"]
