"""What is heard by those who wait: music, and now and then how long it may take.

The plays of a queue have ids below zero, which no flow's have. An announcement takes the music's place and gives it
back; an agent who is found ends both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final

from ivr_flows.actions import Play, Speech
from ivr_flows.reading import read
from routing.acd.actions import Announce
from switchboard.calls.answering import early_media
from switchboard.calls.call import Call
from switchboard.calls.exchange import Exchange
from switchboard.calls.playing import play_to, stop_playing
from switchboard.calls.sounds import await_speech, playable

MUSIC: Final = -1
ANNOUNCEMENT: Final = -2

_LONGEST: Final = 3600.0
"""Beyond an hour no number of minutes is told."""

IN_ONE: Final = 20
"""Up to this place the sentence is spoken as a whole. Beyond, it is put together of pieces, of which there are few:
in a surge everybody has another place, and making so many sentences would take the machine away from the calls."""

_PIECES: Final[dict[str, re.Pattern[str]]] = {
    "zh": re.compile(r"零?[一二两三四五六七八九]?[十百千万亿]|零?[一二三四五六七八九]"),
    "en": re.compile(r"\S.*?(?: thousand| hundred|$)"),
}
"""What the words of a whole number are made of: 一千 | 二百 | 零五; one thousand | two hundred | and five."""

_TEXTS: Final[dict[str, dict[str, str]]] = {
    "zh": {
        "position": "您排在第{position}位。",
        "next": "您是下一位。",
        "about": "预计等待约{to}分钟。",
        "band": "预计等待{from}到{to}分钟。",
        "short": "预计等待不到一分钟。",
        "long": "预计等待一小时以上。",
        "callback": "如需我们稍后给您回电，请按{key}键，您的排队位置会为您保留。",
        "no_callback": "抱歉，暂时无法为您安排回电，请您继续等候。",
    },
    "en": {
        "position": "You are number {position} in the queue.",
        "next": "You are next.",
        "about": "The wait is about {to} minutes.",
        "band": "The wait is {from} to {to} minutes.",
        "short": "The wait is less than a minute.",
        "long": "The wait is more than an hour.",
        "callback": "Press {key} to be called back. You will keep your place in the queue.",
        "no_callback": "Sorry, we cannot call you back just now. Please stay on the line.",
    },
}


def begin_music(x: Exchange, call: Call, now: float) -> None:
    """Play the music of one who waits; what is still to be spoken joins in when it has been made."""
    wait = call.wait
    if wait is None or not wait.music or not (call.caller.talking or early_media(x, call, now)):
        return
    play = Play(wait.music, True, MUSIC)
    await_speech(x, call, play)
    _play_music(x, call)


def _play_music(x: Exchange, call: Call) -> None:
    wait = call.wait
    sounds = playable(x, wait.music) if wait is not None else ()
    if wait is not None and sounds and call.caller.lease is not None:
        wait.playing = True
        play_to(x, call.caller, MUSIC, sounds, loop=True)


def announce(x: Exchange, call: Call, action: Announce, language: str) -> None:
    """Say where the caller stands, or what the group says now and then."""
    sounds = sounds_of(action, language, call.wait.callback_key if call.wait is not None else "")
    if sounds:
        _say(x, call, sounds)


def refuse_callback(x: Exchange, call: Call, language: str) -> None:
    """Who has asked to be called back hears that it cannot be, and waits on."""
    spoken = _spoken(language)
    _say(x, call, (Speech(_TEXTS[spoken]["no_callback"], spoken),))


def _say(x: Exchange, call: Call, sounds: tuple[str | Speech, ...]) -> None:
    play = Play(sounds, False, ANNOUNCEMENT)
    if not await_speech(x, call, play):
        _play_announcement(x, call, play)


def _play_announcement(x: Exchange, call: Call, play: Play) -> None:
    sounds = playable(x, play.prompts)
    # A number that lacks a piece is another number.
    whole = len(sounds) == len(play.prompts)
    if call.wait is not None and whole and call.caller.lease is not None:
        call.wait.playing = True
        play_to(x, call.caller, ANNOUNCEMENT, sounds, loop=False)


def prepared(x: Exchange, call: Call, play: Play) -> None:
    """The speech of a queue's play has been made; too late when nobody waits any more."""
    if call.wait is None:
        return
    if play.play_id == MUSIC:
        _play_music(x, call)
    else:
        _play_announcement(x, call, play)


def announced(x: Exchange, call: Call, play_id: int) -> None:
    """An announcement has ended: back to the music."""
    if play_id == ANNOUNCEMENT and call.wait is not None:
        _play_music(x, call)


def silence(x: Exchange, call: Call) -> None:
    """Nothing is heard of the queue any more."""
    if call.wait is not None and call.wait.playing and call.caller.lease is not None:
        call.wait.playing = False
        stop_playing(x, call.caller)


def sounds_of(action: Announce, language: str, callback_key: str) -> tuple[str | Speech, ...]:
    """The sounds of an announcement, in a language that is spoken here."""
    if action.kind == "periodic":
        return action.prompts
    spoken = _spoken(language)
    texts = _TEXTS[spoken]
    if action.kind == "callback_offer":
        if not callback_key:
            return ()
        return (Speech(texts["callback"].format(key=_number(callback_key, spoken)), spoken),)
    said = [*_position(action.position, texts, spoken)]
    if action.wait is not None:
        said.append(_band(action.wait, texts, spoken))
    return tuple(Speech(text, spoken) for text in said)


def _spoken(language: str) -> str:
    return language if language in _TEXTS else "zh"


def _position(position: int, texts: dict[str, str], language: str) -> Iterator[str]:
    """What tells the place, in one or several texts."""
    if position == 1:
        yield texts["next"]
    elif 1 < position <= IN_ONE:
        yield texts["position"].format(position=_number(str(position), language))
    elif position > IN_ONE:
        before, _, after = texts["position"].partition("{position}")
        yield before.strip()
        yield from _PIECES[language].findall(_number(str(position), language))
        yield after.strip()


def _band(wait: tuple[float, float], texts: dict[str, str], language: str) -> str:
    if wait[1] > _LONGEST:
        return texts["long"]
    begin, end = math.floor(wait[0] / 60), math.ceil(wait[1] / 60)
    if end <= 1:
        return texts["short"]
    if begin < 1 or begin == end:
        return texts["about"].format(to=_minutes(end, language))
    return texts["band"].format(**{"from": _minutes(begin, language), "to": _minutes(end, language)})


def _minutes(count: int, language: str) -> str:
    # Two of something is 两, not 二.
    return "两" if count == 2 and language == "zh" else _number(str(count), language)


def _number(digits: str, language: str) -> str:
    return read(digits, "number", language) if digits.isdecimal() else digits
