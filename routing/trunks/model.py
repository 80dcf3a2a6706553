"""What is configured of a carrier, as far as the choice of its gateways depends on it."""

from __future__ import annotations

from typing import Final

import msgspec

from routing.acd.hours import ALWAYS, Hours
from routing.trunks.failover import USUAL
from routing.trunks.health import Probing
from routing.trunks.limits import Limits

SEPARATOR: Final = "/"
"""Between a trunk's name and that of its gateway: neither has one in it."""


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a carrier; of several those of the lowest `order` come first, and among them weight decides."""

    name: str
    order: int = 0
    weight: int = 1
    limits: Limits = Limits()
    probing: Probing = Probing()
    disabled: bool = False


class Carrier(msgspec.Struct, frozen=True, kw_only=True):
    """One trunk; `hours` are those in which calls go out to it, `failover` the statuses that lead on."""

    name: str
    gateways: tuple[Gateway, ...] = ()
    limits: Limits = Limits()
    hours: Hours = ALWAYS
    failover: frozenset[int] = USUAL
    disabled: bool = False
    registers: bool = False
    """Whether a gateway at which we are not registered is one of the last to be tried."""


def key_of(trunk: str, gateway: str) -> str:
    """The name of a gateway among those of all trunks."""
    return f"{trunk}{SEPARATOR}{gateway}"
