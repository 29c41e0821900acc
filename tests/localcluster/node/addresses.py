"""Gives each Pod an address of its own: on loopback, or, if it asks for that, one that the machine has outside."""

import socket
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address

# 127.1.0.1 to 127.254.255.254: 127.0.x.y is left to everything else on this machine.
_FIRST = int(IPv4Address("127.1.0.1"))
_COUNT = int(IPv4Address("127.254.255.254")) - _FIRST + 1
# A documentation network: to choose a route to it sends nothing.
_ELSEWHERE = "198.51.100.1"


def find_machine_addresses() -> list[str]:
    """Find the address of this machine that is not on loopback; none without a network."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((_ELSEWHERE, 9))
        address = IPv4Address(probe.getsockname()[0])
        return [] if address.is_loopback or address.is_link_local else [str(address)]
    return []


def is_port_free(address: str, port: int) -> bool:
    """Say whether a program could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: what a former one left in TIME_WAIT is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


class AddressPool:
    """Addresses in use by this agent's Pods.

    A Pod's address follows from its uid, so that it survives a restart of the agent, and so that two agents on one
    machine hardly ever choose the same.
    """

    def __init__(self, outside: Sequence[str] = (), is_free: Callable[[str, int], bool] = is_port_free) -> None:
        """Prepare it; `outside` are the machine's own addresses, for Pods that ask for one."""
        self._owners: dict[str, str] = {}
        self._outside = outside
        self._is_free = is_free

    def take(self, uid: str) -> str:
        """Return the address of a Pod; the next free one if another Pod has it."""
        start = zlib.crc32(uid.encode())
        for step in range(_COUNT):
            address = str(IPv4Address(_FIRST + (start + step) % _COUNT))
            if self._owners.setdefault(address, uid) == uid:
                return address
        raise RuntimeError("no loopback address is free")

    def take_outside(self, uid: str, ports: Sequence[int]) -> str:
        """Return an address that a real API server's proxy connects to, which it refuses to do on loopback.

        There is one at most. When another Pod has it, or another program of this machine listens there on one of the
        Pod's ports, it is an address on loopback after all.
        """
        for address in self._outside:
            if address not in self._owners and all(self._is_free(address, port) for port in ports):
                self._owners[address] = uid
                return address
        return self.take(uid)

    def give_back(self, uid: str) -> None:
        """Free a Pod's address."""
        self._owners = {address: owner for address, owner in self._owners.items() if owner != uid}
