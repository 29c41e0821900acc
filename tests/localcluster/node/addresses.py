"""Gives each Pod a loopback address of its own."""

import zlib
from ipaddress import IPv4Address

# 127.1.0.1 to 127.254.255.254: 127.0.x.y is left to everything else on this machine.
_FIRST = int(IPv4Address("127.1.0.1"))
_COUNT = int(IPv4Address("127.254.255.254")) - _FIRST + 1


class AddressPool:
    """Addresses in use by this agent's Pods.

    A Pod's address follows from its uid, so that it survives a restart of the agent, and so that two agents on one
    machine hardly ever choose the same.
    """

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def take(self, uid: str) -> str:
        """Return the address of a Pod; the next free one if another Pod has it."""
        start = zlib.crc32(uid.encode())
        for step in range(_COUNT):
            address = str(IPv4Address(_FIRST + (start + step) % _COUNT))
            if self._owners.setdefault(address, uid) == uid:
                return address
        raise RuntimeError("no loopback address is free")

    def give_back(self, uid: str) -> None:
        """Free a Pod's address."""
        self._owners = {address: owner for address, owner in self._owners.items() if owner != uid}
