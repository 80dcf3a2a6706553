"""What a caller hears of us: names of sounds that are there, and speech that is made first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ivr_flows.actions import Play, Speech
from switchboard.calls.call import Call
from switchboard.calls.exchange import Exchange


class Prepared(msgspec.Struct, frozen=True):
    """The speech that a play waited for has been made, or could not be."""

    play: Play


def playable(x: Exchange, sounds: Sequence[str | Speech]) -> tuple[str, ...]:
    """The sounds of these that can be had now."""
    names = [sound if isinstance(sound, str) else x.voice.ready(sound.text, sound.language) or "" for sound in sounds]
    return tuple(name for name in names if name)


def await_speech(x: Exchange, call: Call, play: Play) -> bool:
    """Have the speech of a play made, after which `Prepared` comes; False when all of it is there."""
    texts = [(sound.text, sound.language) for sound in play.prompts if isinstance(sound, Speech)]
    missing = [text for text in texts if x.voice.ready(*text) is None]
    if missing:
        x.voice.prepare(missing, lambda: x.deliver(call, Prepared(play)))
    return bool(missing)
