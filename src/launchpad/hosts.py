"""What a host's name says by its form alone: is it this machine? Nothing is looked up."""

from __future__ import annotations

import ipaddress
import socket

LOCAL_NAMES = ("localhost", "localhost.localdomain")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def literal(host: str) -> Address | None:
    """The address that `host` spells, an IPv4 one behind `::ffff:` as itself; None where it is a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:  # 127.1, 0x7f000001 and other spellings that sockets accept
            return ipaddress.IPv4Address(socket.inet_aton(host)) if host[:1].isdigit() else None
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    address = literal(host)
    return address.is_loopback if address else host.lower().rstrip(".") in LOCAL_NAMES
