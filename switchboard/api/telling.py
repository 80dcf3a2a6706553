"""Events as text: the same octets for every client, but for a ringing call, of which each role is told what it may see.

What belongs to a ringing call (masked caller, region, identity, keys, last calls) is asked for once a role; when the
answer is slow or fails, the event goes without, for a phone that rings unseen is worse.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias

import msgspec

from switchboard.api.principal import Principal
from switchboard.api.stream import Entry
from switchboard.api.types import EventView
from switchboard.calls.news import AgentNews, CallNews, News, QueueNews, RecordingNews
from switchboard.ops.log import get_logger

ENRICH_SECONDS: Final = 0.5
KEPT: Final = 256

Enrich: TypeAlias = Callable[[CallNews, Principal], Awaitable[object]]
"""What a principal may know of a ringing call, as plain data; None for nothing."""

_ENCODER: Final = msgspec.json.Encoder()
_HIDDEN: Final = frozenset({"at_us", "step", "aside"})


class Teller:
    """Writes events; belongs to one stream."""

    def __init__(self, enrich: Enrich | None = None) -> None:
        self._enrich = enrich
        self._plain: OrderedDict[int, str] = OrderedDict()
        self._rings: OrderedDict[tuple[int, str, str], asyncio.Task[str]] = OrderedDict()

    async def text(self, entry: Entry, principal: Principal) -> str:
        """An event as one message."""
        news = entry.news
        if self._enrich is not None and isinstance(news, CallNews) and news.step == "ringing" and news.agent:
            return await self._ring(entry, news, principal)
        text = self._plain.get(entry.seq)
        if text is None:
            text = self._plain[entry.seq] = _text(entry, _data(news))
            if len(self._plain) > KEPT:
                self._plain.popitem(last=False)
        return text

    async def _ring(self, entry: Entry, news: CallNews, principal: Principal) -> str:
        key = (entry.seq, principal.role, principal.agent)
        task = self._rings.get(key)
        if task is None:
            task = self._rings[key] = asyncio.get_running_loop().create_task(self._enriched(entry, news, principal))
            if len(self._rings) > KEPT:
                self._rings.popitem(last=False)
        # The client may go while others wait for the same.
        return await asyncio.shield(task)

    async def _enriched(self, entry: Entry, news: CallNews, principal: Principal) -> str:
        assert self._enrich is not None
        data = _data(news)
        try:
            ring = await asyncio.wait_for(self._enrich(news, principal), ENRICH_SECONDS)
        except TimeoutError:
            ring = None
        except Exception as error:  # noqa: BLE001 - boundary: the event goes without
            get_logger().error("stream.ring_failed", call_id=news.call, exc_info=error)
            ring = None
        if ring is not None:
            data["ring"] = ring
        return _text(entry, data)


def snapshot_text(seq: int, utc: float, data: object) -> str:
    """The message that says how things are after the event `seq`."""
    view = EventView(seq=seq, at=datetime.fromtimestamp(utc, UTC), type="snapshot", data=data)
    return _ENCODER.encode(view).decode()


def idle_text(seq: int, utc: float) -> str:
    """The message that nothing happened, so that a client knows the connection is alive; `seq` is the last event."""
    view = EventView(seq=seq, at=datetime.fromtimestamp(utc, UTC), type="idle", data={})
    return _ENCODER.encode(view).decode()


def event_type(news: News) -> str:
    """`call.ringing`, `agent.state`, `queue.joined`, `recording.ready`, `alert`."""
    if isinstance(news, CallNews):
        return f"call.{news.step}"
    if isinstance(news, QueueNews):
        return f"queue.{news.step}"
    if isinstance(news, RecordingNews):
        return f"recording.{news.step}"
    return "agent.state" if isinstance(news, AgentNews) else "alert"


def _data(news: News) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(news).items() if name not in _HIDDEN}


def _text(entry: Entry, data: dict[str, object]) -> str:
    at = datetime.fromtimestamp(entry.news.at_us / 1e6, UTC)
    return _ENCODER.encode(EventView(seq=entry.seq, at=at, type=event_type(entry.news), data=data)).decode()
