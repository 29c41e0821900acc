"""A very small operator: what kopf needs of an API server in one file. Run by `kopf run`."""

import logging
from typing import Any

import kopf

GROUP = "conformance.example.com"
ticks = {"count": 0}


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)


@kopf.on.create(GROUP, "v1", "widgets")
@kopf.on.update(GROUP, "v1", "widgets", field="spec")
def show_size(body: kopf.Body, spec: kopf.Spec, patch: kopf.Patch, **_: Any) -> None:
    patch.status["phase"] = f"size {spec['size']}"
    kopf.info(body, reason="Sized", message=f"size {spec['size']}")


@kopf.on.delete(GROUP, "v1", "widgets")
def say_goodbye(name: str, logger: logging.Logger | logging.LoggerAdapter[Any], **_: Any) -> None:
    logger.info("deleted %s", name)


@kopf.timer(GROUP, "v1", "widgets", interval=0.5)
def tick(patch: kopf.Patch, **_: Any) -> None:
    ticks["count"] += 1
    patch.status["size"] = ticks["count"]
