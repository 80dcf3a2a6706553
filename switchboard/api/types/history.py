"""What is kept of callers beside their calls: remarks, histories, callbacks, messages."""

# ruff: noqa: RUF012 - msgspec makes a new value of an empty default each time
from __future__ import annotations

from switchboard.api.types.calls import RecordRow, TrailView
from switchboard.api.types.common import Moment, Region, View
from switchboard.store.records import CallbackState, MessageState


class Revealed(View, frozen=True, kw_only=True):
    """A number in clear; that it was shown, to whom and why stands in the audit log."""

    number: str


class RemarkView(View, frozen=True, kw_only=True):
    """What somebody wrote about a call."""

    id: int
    call: str
    text: str
    by: str
    at: Moment


class LastCallView(View, frozen=True, kw_only=True):
    """One of an agent's last ten calls."""

    call: str
    number: str
    contact: str = ""
    answered: Moment
    seconds: float = 0.0
    region: Region | None = None
    group: str = ""
    trail: list[TrailView] = []
    remark: str = ""


class ContactView(View, frozen=True, kw_only=True):
    """What is known of a caller: masked number, earlier calls, newest first, and remarks."""

    contact: str
    number: str = ""
    region: Region | None = None
    calls: list[RecordRow] = []
    remarks: list[RemarkView] = []
    next: str | None = None


class ContactFound(View, frozen=True, kw_only=True):
    """The `contact` that stands for a telephone number."""

    contact: str
    number: str


class CallbackView(View, frozen=True, kw_only=True):
    """A request to be called back."""

    id: str
    group: str
    number: str
    contact: str
    asked: Moment
    state: CallbackState
    call: str = ""
    attempts: int = 0
    changed: Moment | None = None
    changed_by: str = ""


class MessageView(View, frozen=True, kw_only=True):
    """A voice message."""

    id: str
    box: str
    left: Moment
    seconds: float
    caller: str = ""
    contact: str = ""
    call: str = ""
    state: MessageState = "new"
