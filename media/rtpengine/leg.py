"""A leased port of rtpengine as the plane knows it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from media.interface import Lease, Stream
from media.rtpengine.commands import NOTHING, Counted, Place
from media.rtpengine.side import Side

CLOSED: Final = Stream("", 0, "", 8, "PCMA", None, send=False, receive=False)
"""A leg of which nobody has said anything yet."""


@dataclass(slots=True, eq=False)
class Leg:
    """One lease."""

    lease: Lease
    side: Side
    stream: Stream = CLOSED
    peer: Leg | None = None
    """Who it is bridged with."""
    helper: Lease | None = None
    """The worker's port to which it was handed over."""
    reached: Place | None = None
    """Where the worker reaches it."""
    playing: tuple[int, tuple[str, ...], bool] | None = None
    timer: asyncio.TimerHandle | None = None
    concealed: bool = False
    secret_until: float = 0.0
    """Until when a key that is told is of a secret, and the party heard by nobody."""
    key_until: float = 0.0
    """Until when the tone of a key that came by signalling may sound."""
    handed_at: float = 0.0
    """Since when its keys are the other party's, where they were the switch's before."""
    keys_until: float = 0.0
    """Until when a key may be held that was for the switch."""
    resting: asyncio.TimerHandle | None = None
    """The end of these."""
    releasing: int = 0
    """The how manieth of all releases its own was; 0 before that."""
    echoes: int = 0
    """Keys of ours that rtpengine will report as the party's."""
    heard: Counted = NOTHING
    others: bool = False
    """Whether somebody else has sent to its port of late."""
    heard_at: float = 0.0
    """When it was last heard, or from when on it is to be: by whoever listens now."""
    reported_at: float = 0.0
    silence: int = 0
    """What was told of it: 1, that it is silent but for RTCP, 2, that it is silent."""

    def stop_timer(self) -> None:
        """What plays does not end by itself."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def suits(self, other: Leg) -> bool:
        """Whether what each says can be understood by the other as it is."""
        mine, theirs = self.stream, other.stream
        if mine.secured is not None or theirs.secured is not None:
            return False
        for one, two in ((mine, theirs), (theirs, mine)):
            if one.comes_as != two.audio_pt or one.events_come_as != two.event_pt:
                return False
        return mine.codec == theirs.codec and mine.wire == theirs.wire

    @property
    def speaks(self) -> bool:
        """Whether what it says is the other party's but for a moment, keys of ours that are put into it among that."""
        return self.stream.receive and not self.stream.digits and not self.side.muted

    @property
    def needs_worker(self) -> bool:
        """Whether it is secured, or its keys are of a kind that rtpengine does not tell: tones, or by signalling."""
        stream = self.stream
        if stream.secured is not None:
            return True
        tones = stream.digits and stream.event_pt is None
        return tones or (stream.wire is not None and stream.wire.keys in ("inband", "info"))

    @property
    def plays(self) -> bool:
        """Whether rtpengine can play to it."""
        stream = self.stream
        return stream.codec in ("PCMA", "PCMU") and stream.wire is None and stream.secured is None
