"""IP addresses as a configuration file names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from config.findings import Finding


def address(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address written in text, None when it is none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def host_port(text: str) -> tuple[str, int] | None:
    """``127.0.0.1:5070`` or ``[::1]:5070`` as address and port, None when it is neither."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})", text)
    if match is None or address(match[1] or match[2]) is None or not 0 < int(match[3]) <= 65535:
        return None
    return match[1] or match[2], int(match[3])


def concrete(path: str, host: str) -> Iterator[Finding]:
    """What is wrong with the address at a path, which must be one that peers reach."""
    found = address(host)
    if found is None:
        yield path, f"'{host}' is not an IP address", "write the address itself, e.g. 192.0.2.10"
    elif found.is_unspecified:
        yield (
            path,
            f"{host} stands for every address",
            "name the one that peers reach",
        )
