"""What a flow asks of the call, done: one function an action; one that is over at once returns the event it makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from ivr_flows.actions import (
    Action,
    Answer,
    Callback,
    Conceal,
    Consent,
    Hangup,
    Http,
    Mailbox,
    Message,
    Play,
    Queue,
    Record,
    Refuse,
    StopMessage,
    StopPlay,
    Transfer,
)
from ivr_flows.events import CallbackTaken, Event, PlayDone, TransferEnded
from routing.masks.secret import RealNumber
from routing.masks.target import NumberTarget, TargetError, parse_number, parse_open_target
from switchboard.calls.answering import answer_caller, early_media, progress, unheard
from switchboard.calls.call import Call, Phase
from switchboard.calls.callback_request import request_callback
from switchboard.calls.capture import begin_message, stop_message
from switchboard.calls.causes import (
    BUSY,
    DECLINED,
    FAILED,
    FLOW_ERROR,
    NO_ANSWER,
    NORMAL,
    UNKNOWN,
    UNREGISTERED,
    Cause,
)
from switchboard.calls.connecting import invite_agent, outcome_of
from switchboard.calls.ending import end_call
from switchboard.calls.exchange import Exchange
from switchboard.calls.mailbox import browse
from switchboard.calls.masked import Found, ToGroup, drop_terms, find_masked, refuse_calls
from switchboard.calls.playing import play_to, stop_playing
from switchboard.calls.queueing import Wish, enqueue
from switchboard.calls.recording import command_recording, conceal, consent
from switchboard.calls.sounds import Prepared, await_speech, playable

# By what word of a flow's hangup node a call ends.
CAUSES: Final[dict[str, Cause]] = {
    "normal": NORMAL,
    "busy": BUSY,
    "no_answer": NO_ANSWER,
    "unregistered": UNREGISTERED,
    "unknown": UNKNOWN,
    "rejected": DECLINED,
    "failed": FAILED,
}


def perform(x: Exchange, call: Call, actions: list[Action], now: float) -> Event | None:
    """Carry out actions; the event that the last of them made at once, if any."""
    outcome: Event | None = None
    for action in actions:
        if call.phase is not Phase.FLOW:
            return None
        outcome = _PERFORM[type(action)](x, call, action, now) or outcome
    return outcome


def _answer(x: Exchange, call: Call, action: Answer, now: float) -> None:
    if not answer_caller(x, call, now):
        end_call(x, call, unheard(x, call), "switch", now)


def _hang_up(x: Exchange, call: Call, action: Hangup, now: float) -> None:
    exhausted = call.position is not None and call.position.exhausted
    cause = FLOW_ERROR if exhausted else CAUSES.get(action.cause, FAILED)
    end_call(x, call, cause, "agent" if call.agent_left and cause is NORMAL else "switch", now)


# --- what the caller hears ---


def _play(x: Exchange, call: Call, action: Play, now: float) -> Event | None:
    if not call.caller.talking and not early_media(x, call, now):
        end_call(x, call, unheard(x, call), "switch", now)
        return None
    if await_speech(x, call, action):
        call.speaking = action.play_id
        return None
    return _play_now(x, call, action)


def play_prepared(x: Exchange, call: Call, prepared: Prepared) -> Event | None:
    """The speech of a play is there, or cannot be had; too late when the flow has gone on."""
    action = prepared.play
    if call.speaking != action.play_id:
        return None
    return _play_now(x, call, action) if call.phase is Phase.FLOW else None


def _play_now(x: Exchange, call: Call, action: Play) -> Event | None:
    call.speaking = 0
    sounds = playable(x, action.prompts)
    if not sounds or call.caller.lease is None:
        return PlayDone(action.play_id)
    play_to(x, call.caller, action.play_id, sounds, loop=action.loop)
    return None


def _stop_play(x: Exchange, call: Call, action: StopPlay, now: float) -> None:
    call.speaking = 0
    stop_playing(x, call.caller)


# --- where the caller is connected ---


def _transfer(x: Exchange, call: Call, action: Transfer, now: float) -> Event | None:
    found = _target_of(x, call, action, now)
    if isinstance(found, ToGroup):
        ringback = (action.ringback,) if action.ringback else ()
        return enqueue(x, call, found.group, now, Wish(max_wait=action.ring_timeout, music=ringback))
    if isinstance(found, str):
        # A reason that no exit is named after, such as refused, takes the flow's "other", or "failed".
        return TransferEnded(found, call.binding_about or {})  # type: ignore[arg-type]
    failure = invite_agent(x, call, found, action.ring_timeout, now)
    if failure is not None:
        return TransferEnded(outcome_of(failure), call.binding_about or {})
    _ring_back(x, call, action.ringback, now)
    return None


def _ring_back(x: Exchange, call: Call, ringback: str, now: float) -> None:
    """Let the caller know that somebody's phone rings."""
    if call.caller.lease is not None and ringback and call.caller.talking:
        call.ringback = ringback
        play_to(x, call.caller, 0, (ringback,), loop=True)
    elif not call.caller.talking:
        progress(x, call, 180, now)


def _target_of(x: Exchange, call: Call, action: Transfer, now: float) -> Found:
    """Where a transfer leads, or the outcome by which the flow branches."""
    if action.target is not None:
        return _open_target(x, action.target)
    number, extension = action.number or call.record.called, action.extension or ""
    call.record.extension = extension
    return find_masked(x, call, number, extension, now)


def _open_target(x: Exchange, text: str) -> Found:
    """`sip:…`, `aor:…` or, by the trunk for it, `tel:…`."""
    try:
        if not text.lower().startswith("tel:"):
            return parse_open_target(text) or "unknown"
        number = RealNumber(parse_number(text[4:].partition(";")[0]))
    except TargetError:
        return "unknown"
    if x.settings.outbound is None:
        return "failed"
    trunk, shown = x.settings.outbound
    return NumberTarget(x.secrets.seal(number), trunk, shown)


def _queue(x: Exchange, call: Call, action: Queue, now: float) -> Event | None:
    drop_terms(x, call)
    wish = Wish(
        priority=action.priority,
        vip=action.vip,
        requirement=action.skills,
        preferred=action.preferred,
        max_wait=action.max_wait,
        music=action.music or None,
        callback_key=action.callback_key,
    )
    return enqueue(x, call, action.group, now, wish)


# --- what others are asked ---


def _http(x: Exchange, call: Call, action: Http, now: float) -> None:
    x.backends.request(action, lambda event: x.deliver(call, event), call.id)


def _callback(x: Exchange, call: Call, action: Callback, now: float) -> Event:
    return CallbackTaken(action.request_id, request_callback(x, call, action.number, action.group, now))


# --- what is kept ---


def _record(x: Exchange, call: Call, action: Record, now: float) -> None:
    command_recording(x, call, action.do, now)


def _message(x: Exchange, call: Call, action: Message, now: float) -> Event | None:
    return begin_message(x, call, action, now)


def _stop_message(x: Exchange, call: Call, action: StopMessage, now: float) -> None:
    stop_message(x, call)


def _browse(x: Exchange, call: Call, action: Mailbox, now: float) -> Event | None:
    return browse(x, call, action, now)


def _conceal(x: Exchange, call: Call, action: Conceal, now: float) -> None:
    conceal(x, call, action.on, now)


def _consent(x: Exchange, call: Call, action: Consent, now: float) -> None:
    consent(x, call, action.given, now)


def _refuse(x: Exchange, call: Call, action: Refuse, now: float) -> None:
    refuse_calls(x, call, now, withdrawn=action.withdrawn)


# Each function takes the very action its key names, which a dict's type cannot say.
_PERFORM = cast(
    "dict[type[Action], Callable[[Exchange, Call, Action, float], Event | None]]",
    {
        Answer: _answer,
        Hangup: _hang_up,
        Play: _play,
        StopPlay: _stop_play,
        Transfer: _transfer,
        Queue: _queue,
        Http: _http,
        Callback: _callback,
        Record: _record,
        Message: _message,
        StopMessage: _stop_message,
        Mailbox: _browse,
        Conceal: _conceal,
        Consent: _consent,
        Refuse: _refuse,
    },
)
