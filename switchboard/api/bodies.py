"""What clients send, beside the commands of `calls.commands` and the settings of `routing.acd.model`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from routing.acd.model import ChosenState
from switchboard.api.types import Role

Text = Annotated[str, Meta(max_length=500)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Seconds = Annotated[float, Meta(ge=0, le=400 * 86400)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is sent: a field that is not known is an error."""


class StateBody(Body, frozen=True, kw_only=True):
    """Choose a state; `lasts` seconds later the agent is idle again."""

    state: ChosenState
    reason: Text = ""
    lasts: Annotated[float, Meta(gt=0, le=86400)] | None = None


class SignOutBody(Body, frozen=True, kw_only=True):
    """Why an agent goes."""

    reason: Text = ""


class ReasonBody(Body, frozen=True, kw_only=True):
    """Why something is done."""

    reason: Annotated[str, Meta(min_length=3, max_length=500)]


class NumberBody(Body, frozen=True, kw_only=True):
    """A telephone number; it goes into a body since URLs are logged by proxies."""

    number: Annotated[str, Meta(min_length=3, max_length=40)]

    def __repr__(self) -> str:
        return "NumberBody(****)"


class RemarkBody(Body, frozen=True, kw_only=True):
    """What is to be remembered of a caller."""

    text: Annotated[str, Meta(min_length=1, max_length=2000)]


class MaskBody(Body, frozen=True, kw_only=True):
    """A binding, written as in a file of them: every value a text, `idle: "7d"`, `warn: "yes"`.

    Without an extension, or with a pool instead of a number, a free one is taken.
    """

    number: Text = ""
    extension: Text = ""
    target: Text = ""
    kind: Literal["", "extension", "axb", "axn", "axg", "ax"] = ""
    id: Text = ""
    a: Text = ""
    b: Text = ""
    n: Text = ""
    group: Text = ""
    trunk: Text = ""
    shown: Text = ""
    shown_to_a: Text = ""
    shown_to_b: Text = ""
    expires: Text = ""
    idle: Text = ""
    direction: Literal["", "both", "a_to_b", "b_to_a"] = ""
    limit: Text = ""
    warn: Text = ""
    record: Text = ""
    consent: Text = ""
    callback_window: Text = ""
    callback_times: Text = ""
    latest: Text = ""
    label: Text = ""
    city: Text = ""
    store: Text = ""
    disabled: Text = ""
    pool: Text = ""
    replace: bool = False

    def __repr__(self) -> str:
        return "MaskBody(****)"


class UnbindBody(Body, frozen=True, kw_only=True):
    """`quarantine`: how long (`30d`) the extension tells that it was given back; "0" for not, "" for its pool's."""

    quarantine: Text = ""
    reason: Text = ""


class RefusalBody(Body, frozen=True, kw_only=True):
    """A customer wants no calls back through X any more; with `withdrawn` the customer takes them again."""

    number: Text
    withdrawn: bool = False
    reason: Text = ""


class PoolBody(Body, frozen=True, kw_only=True):
    """Numbers for a pool, which is made if there is none."""

    numbers: Annotated[list[Text], Meta(max_length=10_000)]
    city: Text = ""
    pairs: Annotated[int, Meta(ge=1, le=100_000)] = 200
    cool_down: Seconds = 86400.0
    sticky: bool = True
    beyond: bool = False


class MessageBody(Body, frozen=True, kw_only=True):
    """A message was heard, or is to be new again."""

    state: Literal["new", "heard"]


class UserBody(Body, frozen=True, kw_only=True):
    """A new account; its password is drawn and answered once."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    role: Role
    agent: Text = ""


class UserChange(Body, frozen=True, kw_only=True):
    """What is to be changed of an account; what is left out stays."""

    role: Role | None = None
    agent: Text | None = None
    locked: bool | None = None
    totp: Literal[False] | None = None
    """False takes the second factor away."""
