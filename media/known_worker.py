"""What the plane knows of one worker: its ports, which of them are leased, whether new calls may come to it."""

from __future__ import annotations

from collections.abc import Sequence

from media.events import WorkerStats
from media.interface import Lease
from media.port_stock import PortStock
from media.worker_link import WorkerLink


class KnownWorker:
    """A worker as the plane sees it."""

    __slots__ = (
        "address", "address6", "draining", "foreign", "leased", "link", "opened", "ports", "ports_six", "releasing",
        "six", "stats",
    )  # fmt: skip

    def __init__(self, link: WorkerLink) -> None:
        self.link = link
        self.draining = False
        self.address = ""
        self.address6 = ""
        self.ports = PortStock()
        self.ports_six = PortStock()
        self.six: set[int] = set()
        self.leased: dict[int, Lease] = {}
        self.foreign: dict[int, int] = {}
        self.releasing: set[int] = set()
        self.opened: dict[int, tuple[int, int]] = {}
        """By port the generation of its last first Open, and after how many writings of the link that was."""
        self.stats: WorkerStats | None = None

    @property
    def has_ports(self) -> bool:
        """Whether it has been given ports, in use or not."""
        return bool(self.ports.free or self.ports_six.free or self.leased or self.foreign)

    @property
    def takes_calls(self) -> bool:
        """Whether new calls may come to it."""
        return self.link.up and not self.draining

    @property
    def waits(self) -> bool:
        """Whether new calls may come to it and ports are on their way."""
        return self.takes_calls and (self.ports.wished > 0 or self.ports_six.wished > 0)

    def add_ports(self, ports: Sequence[int], six: Sequence[int]) -> None:
        """It has these, of which it may have told before; `six` are on IPv6."""
        known = {*self.ports.free, *self.ports_six.free, *self.leased, *self.foreign}
        self.six.update(six)
        new = [port for port in ports if port not in known]
        for port in new:
            self.give_back(port)
        beside = len(self.six.intersection(new))
        self.ports_six.add(beside)
        self.ports.add(len(new) - beside)

    def give_back(self, port: int) -> None:
        """A port may be leased again."""
        if port in self.six:
            self.ports_six.free.append(port)
        else:
            self.ports.free.append(port)

    def stock(self, six: bool) -> PortStock:
        """That of a family: of the one there is, or of IPv6 beside IPv4."""
        return self.ports_six if six and self.address6 else self.ports
