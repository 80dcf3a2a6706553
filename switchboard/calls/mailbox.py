"""Mailboxes by telephone: whose box is opened, which message plays, and what becomes of it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from ivr_flows.actions import Mailbox
from ivr_flows.browsing import Browsing
from ivr_flows.events import Event, MailboxDone
from ivr_flows.prompt import RECORDING
from switchboard.calls.call import Call
from switchboard.calls.exchange import Exchange
from switchboard.calls.message_waiting import tell_waiting
from switchboard.store.records import MessageState

MOST_WRONG: Final = 5
"""Wrong PINs in a row after which a box opens to no PIN for a while."""
CLOSED_SECONDS: Final = 900.0
_SUFFIXES: Final = (".wav", ".wav.sealed", ".json")


class Pins:
    """The PINs of mailboxes, kept as hashes; whoever guesses finds the box closed."""

    def __init__(self, pins: Mapping[str, str]) -> None:
        self._hashes = {box: _hashed(box, pin) for box, pin in pins.items()}
        self._wrong: dict[str, tuple[int, float]] = {}

    def opens(self, box: str, pin: str, now: float) -> bool:
        """Whether the PIN is that of the box; `now` is monotonic seconds."""
        expected = self._hashes.get(box)
        if expected is None or not pin:
            return False
        wrong, since = self._wrong.get(box, (0, now))
        if wrong >= MOST_WRONG and now < since + CLOSED_SECONDS:
            return False
        if hmac.compare_digest(expected, _hashed(box, pin)):
            self._wrong.pop(box, None)
            return True
        self._wrong[box] = (1 if wrong >= MOST_WRONG else wrong + 1, now)
        return False


def message_path(message_id: str) -> str:
    """Where a message lies below the directory of recordings, without what its name ends in."""
    return f"voicemail/{message_id}"


def erase_message(x: Exchange, call: Call, message_id: str) -> None:
    """Delete the audio of a message with what is beside it; a fault of the disk is logged."""
    file = Path(x.settings.recordings, message_path(message_id))
    try:
        for suffix in _SUFFIXES:
            file.with_name(file.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        x.log("voicemail.not_erased", call_id=call.id, message=message_id, reason=error.strerror)


def browse(x: Exchange, call: Call, action: Mailbox, now: float) -> Event | None:
    """Do what the owner wants; what the flow is told."""
    if action.do == "open":
        return _open(x, call, action, now)
    browsing, number = call.browsing, action.request_id
    if browsing is None:
        return MailboxDone(number) if number else None
    if action.do in ("next", "previous", "again"):
        there = x.mailboxes.listed(browsing.box)
        found = browsing.move(action.do, there)
        return MailboxDone(number, bool(found), sound=RECORDING + message_path(found), number=browsing.number)
    message = browsing.current
    if message:
        _mark(x, call, browsing.box, message, "deleted" if action.do == "delete" else "heard", now)
        if action.do == "delete":
            browsing.drop()
    return MailboxDone(number, bool(message)) if number else None


def _open(x: Exchange, call: Call, action: Mailbox, now: float) -> MailboxDone:
    box = action.box or call.account
    own = bool(call.account) and box in (call.account, f"{call.account}@{x.settings.domain}")
    if not box or not (own or x.pins.opens(box, action.pin, now)):
        x.log("voicemail.refused", call_id=call.id, box=box)
        return MailboxDone(action.request_id, refused=True)
    states = x.mailboxes.listed(box)
    # Ids tell the time in their first digits, so this is oldest first.
    ordered = sorted(states, key=lambda message: (states[message] != "new", message))
    call.browsing = Browsing(box=box, messages=ordered)
    new, heard = x.mailboxes.waiting(box)
    x.log("voicemail.opened", call_id=call.id, box=box, new=new, heard=heard)
    return MailboxDone(action.request_id, bool(ordered), new=new, heard=heard)


def _mark(x: Exchange, call: Call, box: str, message: str, state: MessageState, now: float) -> None:
    """Durable, and told to the lamp; the file of a deleted message goes."""
    if not x.mailboxes.mark(message, state, x.utc_us(now), f"call {call.id}"):
        return
    x.log(f"voicemail.{state}", call_id=call.id, box=box)
    if state == "deleted":
        erase_message(x, call, message)
    tell_waiting(x, box, x.mailboxes.waiting(box), now)


def _hashed(box: str, pin: str) -> bytes:
    return sha256(f"{box}\0{pin}".encode()).digest()
