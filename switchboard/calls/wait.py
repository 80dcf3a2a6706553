"""One who waits in a queue, as the call knows it. Plain, serialisable data."""

from __future__ import annotations

import msgspec

from ivr_flows.actions import Speech
from ivr_flows.events import QueueEnded, TransferEnded


class Wait(msgspec.Struct, kw_only=True, array_like=True):
    """The waiting of a call: everything else about it is the queue engine's.

    `since_us` is when the waiting began, UTC microseconds. `playing` is True while something is played for the queue.
    While the caller is `joining`, an end of the waiting is left in `over` rather than told. `callback` is the id of
    the callback that the caller has asked for.
    """

    group: str
    music: tuple[str | Speech, ...] = ()
    callback_key: str = ""
    since_us: int = 0
    priority: int = 0
    vip: int = 0
    requirement: str = ""
    playing: bool = False
    joining: bool = False
    callback: str = ""
    over: QueueEnded | TransferEnded | None = None
