"""kopf's settings and login."""

from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from cloudtrail_operator.adapters.access import Access
from cloudtrail_spec.base import API_GROUP

LOGIN_LASTS = timedelta(minutes=10)  # tokens are replaced about every hour: come back for the new one in time


def build_kopf_settings() -> kopf.OperatorSettings:
    """Build kopf's settings; each differs from the default for a reason."""
    settings = kopf.OperatorSettings()
    watching = settings.watching
    watching.server_timeout = 300  # a stream that ends by itself, in time, cannot be a dead one
    watching.client_timeout = 360  # the server ends it first
    watching.connect_timeout = 30
    watching.inactivity_timeout = 70  # bookmarks come every minute: longer silence means a dead connection
    watching.chunk_size = 500
    settings.posting.enabled = False  # our own recorder writes Events, without repeating itself
    settings.scanning.disabled = True  # no permission on CRDs and namespaces is needed
    settings.peering.standalone = True
    settings.persistence.finalizer = f"{API_GROUP}/finalizer"  # never added: there is nothing to undo
    return settings


def register_login(registry: kopf.OperatorRegistry, access: Access) -> None:
    """Let kopf in the same way as our own client."""

    async def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(
            server=access.server,
            ca_data=access.ca_data,
            insecure=access.insecure,
            scheme="Bearer",
            token=access.read_token(),
            certificate_data=access.certificate_data,
            private_key_data=access.key_data,
            expiration=datetime.now(UTC) + LOGIN_LASTS if access.token_file else None,
        )

    kopf.on.login(registry=registry, id="login", errors=kopf.ErrorsMode.TEMPORARY)(login)
