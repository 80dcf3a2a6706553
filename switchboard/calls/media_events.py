"""What the media plane tells of a call, by who is concerned with it."""

from __future__ import annotations

from ivr_flows.events import Digit as KeyPressed
from media.events import (
    Digit,
    Heard,
    KeyForOther,
    KeyHeld,
    KeyPassed,
    MessageDone,
    PlayDone,
    Recorded,
    Silence,
    Unauthentic,
)
from switchboard.calls.call import Call, Phase
from switchboard.calls.capture import message_ended
from switchboard.calls.control.dead_media import fell_silent, heard_again
from switchboard.calls.control.digits import hearers_of
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow import flow_event, play_done
from switchboard.calls.keys import is_echo, key_held, keys_go_on, send_keys
from switchboard.calls.leg import Leg
from switchboard.calls.queue_sounds import announced
from switchboard.calls.recording import recorded
from switchboard.calls.serving import key_pressed

CallMedia = (
    Digit | PlayDone | Silence | Recorded | MessageDone | Unauthentic | KeyForOther | Heard | KeyHeld | KeyPassed
)


def media_event(x: Exchange, call: Call, leg: Leg, event: CallMedia, now: float) -> None:
    """Give one event of a leg's media session to its call."""
    if isinstance(event, Silence):
        fell_silent(x, call, leg, event.alive, now)
    elif isinstance(event, Heard):
        heard_again(x, call, leg)
    elif isinstance(event, KeyHeld):
        key_held(leg, event.digit, now, over=event.over)
    elif isinstance(event, KeyPassed):
        is_echo(leg, event.digit, "media", now, event.held)
    elif isinstance(event, KeyForOther):
        others = [] if is_echo(leg, event.digit, "media", now) else hearers_of(call, leg)
        for other in others:
            send_keys(x, other, event.digit, now)
    elif isinstance(event, Recorded):
        recorded(x, call, leg, event)
    elif isinstance(event, Unauthentic):
        # Its key is not that of its description, or somebody else sends from its address.
        x.log("call.leg_unauthentic", call_id=call.id, leg=leg.id, role=leg.role)
    elif leg is call.caller:
        _of_caller(x, call, event, now)


def _of_caller(x: Exchange, call: Call, event: PlayDone | Digit | MessageDone, now: float) -> None:
    if isinstance(event, MessageDone):
        captured = message_ended(x, call, event, now)
        if captured is not None:
            flow_event(x, call, captured, now)
    elif isinstance(event, Digit):
        if is_echo(call.caller, event.digit, "media", now, event.held):
            return
        call.digit_at = min(event.at, now)
        keys_go_on(call.caller, now)
        if call.phase is Phase.QUEUED:
            key_pressed(x, call, event.digit, now)
            return
        flow_event(x, call, KeyPressed(event.digit), now)
    elif event.play_id < 0:
        announced(x, call, event.play_id)
    elif event.play_id:
        play_done(x, call, event.play_id, now)
