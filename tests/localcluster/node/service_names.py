"""Stands in for the cluster's DNS: names of Services in a command → the address of a ready Pod behind them."""

import re

from localcluster.node.api import Api, ApiError, Manifest

_NAME = re.compile(r"\b(?P<service>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc\b(?:\.cluster\.local\b)?")


class ServiceNames:
    """Replaces `service.namespace.svc`; a name that nothing answers to stays as it is."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def replace(self, text: str) -> str:
        """Replace every name in a text. A Service's port must be that of its Pods."""
        for found in list(_NAME.finditer(text)):
            address = await self._find(found["service"], found["namespace"])
            text = text.replace(found.group(), address or found.group())
        return text

    async def _find(self, name: str, namespace: str) -> str | None:
        root = f"/api/v1/namespaces/{namespace}"
        try:
            service = await self._api.get(f"{root}/services/{name}")
        except ApiError as error:
            if error.code != 404:
                raise
            return None
        labels = ",".join(f"{key}={value}" for key, value in (service["spec"].get("selector") or {}).items())
        pods = (await self._api.get(f"{root}/pods", labelSelector=labels))["items"] if labels else []
        return next((pod["status"]["podIP"] for pod in pods if _is_ready(pod)), None)


def _is_ready(pod: Manifest) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
