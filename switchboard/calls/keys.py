"""Keys of a talk on their way to the other side, in the form that it understands; keys that come twice.

Telephone-events and tones are the media plane's: it passes events on as they are, renumbers them, sounds them for who
has none, and reads tones of who is said to have nothing else. What is left for signalling is INFO, from whoever sends
it and to whom `dtmf: info` says so: one key a request, the next once the last is answered, so that none overtakes.
The first key of a talk whose INFO is there before its event goes on twice: nothing tells by then of its other form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from media.control import SECRET_REST
from switchboard.calls.leg import Form, KeysHeard, Leg

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange

MOST: Final = 64
"""Keys that wait for a peer; more are lost."""
DURATION: Final = 160
"""Milliseconds that a key is said to have been held."""
ECHO: Final = 0.4
"""Seconds in which the same key in another form is the same press: some phones send events and INFO.

More than the media plane takes for a short one: the end of a longer key is told of, and they begin with it.
"""
LONGEST: Final = 10.0
"""Seconds that a key is believed to have been held: its INFO may come only when it is let go."""


class KeysToSend(msgspec.Struct, eq=False):
    """Keys on their way by INFO: the context of the request for the first; `rest` wait for its answer.

    `again` is how often a password was asked for.
    """

    leg: Leg
    rest: str = ""
    again: int = 0


def send_keys(x: Exchange, leg: Leg, keys: str, now: float) -> None:
    """Let the party of a leg have keys."""
    if leg.keys == "info":
        waiting = x.keys_out.get(leg.id)
        if waiting is not None:
            waiting.rest = (waiting.rest + keys)[:MOST]
        elif keys and leg.dialog is not None and leg.talking:
            _inform(x, KeysToSend(leg, keys[1:MOST]), keys[0], now)
    elif leg.lease is not None:
        x.media.send_digits(leg.lease, keys)


def _inform(x: Exchange, sending: KeysToSend, key: str, now: float) -> None:
    dialog = sending.leg.dialog
    assert dialog is not None
    x.keys_out[sending.leg.id], sending.again = sending, 0
    body = f"Signal={key}\r\nDuration={DURATION}\r\n".encode()
    x.core.request(dialog.next_request("INFO", (x.contact,), body, "application/dtmf-relay"), now, context=sending)


def keys_answered(x: Exchange, sending: KeysToSend, status: int, now: float) -> None:
    """The response to an INFO, 408 or 503 when none came; one that does not take it is sent no more."""
    if status < 200:
        return
    x.keys_out.pop(sending.leg.id, None)
    if status >= 300:
        x.log("call.keys_refused", call_id=sending.leg.call_id, leg=sending.leg.id, status=status)
    elif sending.rest and sending.leg.talking:
        key, sending.rest = sending.rest[0], sending.rest[1:]
        _inform(x, sending, key, now)


def is_ours(leg: Leg, now: float, held: float = 0.0) -> bool:
    """Whether a key that comes while keys are the other side's began before that, or goes on a secret.

    What the media plane sees of keys it judges in the same way.
    """
    if now < leg.keys_until:
        keys_go_on(leg, now)
        return True
    return leg.keys_until > 0.0 and now - min(held, LONGEST) < leg.keys_until


def key_taken(x: Exchange, leg: Leg) -> None:
    """A key that came by INFO is the switch's, and so is its tone in the audio, which some phones let through."""
    if leg.lease is not None:
        x.media.key_taken(leg.lease)


def keys_go_on(leg: Leg, now: float) -> None:
    """A key was taken: one that follows a secret's at once is of that, and so may be the next."""
    if now < leg.keys_until:
        leg.keys_until = now + SECRET_REST


def is_echo(leg: Leg, key: str, form: Form, now: float, held: float = 0.0) -> bool:
    """Whether a key is one that has come in another form; `held` are the seconds it was held until now.

    Soon after it, it is. Of a party that has done so once each press comes twice, however late: the forms are paired.
    """
    heard = leg.keys_heard
    within = LONGEST if heard is not None and heard.both else ECHO + min(held, LONGEST)
    if heard is None:
        heard = leg.keys_heard = KeysHeard()
    for place, (known, other, at) in enumerate(heard.single):
        if known == key and other != form and now - at <= within:
            # Keys of a form do not overtake each other: those before it come in one form only.
            del heard.single[: place + 1]
            heard.both = True
            return True
    heard.single = [one for one in heard.single[1 - MOST :] if now - one[2] <= LONGEST]
    heard.single.append((key, form, now))
    return False


def key_held(leg: Leg, key: str, now: float, *, over: bool) -> None:
    """A key that the media plane has told of is held for long, or is let go: its INFO may come only then."""
    heard = leg.keys_heard
    if heard is None:
        return
    for place in range(len(heard.single) - 1, -1, -1):
        known, form, _ = heard.single[place]
        if known == key and form == "media":
            # Until its end is known it may come at any time.
            heard.single[place] = known, form, now if over else now + LONGEST
            return


def comes_by_media(leg: Leg) -> bool:
    """Whether a key of a party that comes by INFO in a talk of two is one that the media plane passes on as well."""
    heard, agreed = leg.keys_heard, leg.agreement
    return heard is not None and heard.both and agreed is not None and agreed.receive_event_pt is not None
