"""Bindings as rows of the database, and back.

Real numbers stand in rows sealed and as fingerprints, policies as JSON without what is usual, the plain one as
an empty text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, cast

import msgspec

from routing.masks import PLAIN, AorTarget, Binding, NumberTarget, Party, Policy, SipTarget, Target
from routing.masks.binding import Kind, extension_id
from routing.masks.secret import Sealed

MAX_POLICIES: Final = 10_000
"""Decoded policies that are kept to be shared."""


class MaskRow(NamedTuple):
    """The binding of an extension, in the order of the table's columns; `kind` is that of its target."""

    number: str
    extension: str
    kind: str
    target: str
    sealed: bytes | None
    fingerprint: bytes | None
    trunk: str
    shown: str
    disabled: bool
    expires_us: int | None
    label: str
    created_us: int
    updated_us: int
    policy: str = ""
    used_us: int = 0

    @property
    def key(self) -> str:
        """The id of the binding."""
        return extension_id(self.number, self.extension)


class LineRow(NamedTuple):
    """The binding of an X number, in the order of the table's columns; `b` is N of an axn."""

    id: str
    number: str
    kind: str
    target: str
    a_sealed: bytes | None
    a_fingerprint: bytes | None
    b_sealed: bytes | None
    b_fingerprint: bytes | None
    group: str
    disabled: bool
    expires_us: int | None
    label: str
    created_us: int
    updated_us: int
    policy: str = ""
    used_us: int = 0
    window_us: int = 0
    window_times: int = 0

    @property
    def key(self) -> str:
        """The id of the binding."""
        return self.id


Row = MaskRow | LineRow

# Sealing anew gives other bytes for the same number, and times tell nothing of what is agreed.
_MASK_TERMS: Final = ("kind", "target", "fingerprint", "trunk", "shown", "disabled", "expires_us", "label", "policy")
_LINE_TERMS: Final = (
    "number", "kind", "target", "a_fingerprint", "b_fingerprint", "group", "disabled", "expires_us", "label", "policy",
)  # fmt: skip

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Policy)
_policies: dict[str, Policy] = {"": PLAIN}


def is_same(one: Row, other: Row) -> bool:
    """Whether two rows with one key agree on everything but times and the bytes of the seal."""
    names = _MASK_TERMS if isinstance(one, MaskRow) else _LINE_TERMS
    return type(one) is type(other) and all(getattr(one, name) == getattr(other, name) for name in names)


def policy_text(policy: Policy) -> str:
    """A policy as it is stored."""
    if policy == PLAIN:
        return ""
    usual = msgspec.structs.asdict(PLAIN)
    return _encoder.encode(
        {name: value for name, value in msgspec.structs.asdict(policy).items() if value != usual[name]}
    ).decode()


def policy_of(text: str) -> Policy:
    """The policy in a stored text, one object for equal texts; raises `msgspec.DecodeError`."""
    policy = _policies.get(text)
    if policy is None:
        policy = _decoder.decode(text)
        if len(_policies) < MAX_POLICIES:
            _policies[text] = policy
    return policy


def target_of(kind: str, target: str, sealed: bytes | None, trunk: str, shown: str) -> Target:
    """Where the binding of an extension leads."""
    if kind == "sip":
        return SipTarget(target)
    if kind == "aor":
        return AorTarget(target)
    return NumberTarget(Sealed(sealed or b""), trunk, shown)


def binding_of(row: Row) -> Binding:
    """The binding in a row."""
    if isinstance(row, MaskRow):
        return Binding(
            number=row.number,
            extension=row.extension,
            target=target_of(row.kind, row.target, row.sealed, row.trunk, row.shown),
            policy=policy_of(row.policy),
            disabled=bool(row.disabled),
            expires_us=row.expires_us,
            used_us=row.used_us,
            label=row.label,
            created_us=row.created_us,
            updated_us=row.updated_us,
        )
    other = _party(row.b_sealed, row.b_fingerprint)
    return Binding(
        id=row.id,
        number=row.number,
        kind=cast("Kind", row.kind),
        target=_open_target(row.target),
        a=_party(row.a_sealed, row.a_fingerprint),
        b=other if row.kind == "axb" else None,
        n=other if row.kind != "axb" else None,
        group=row.group,
        policy=policy_of(row.policy),
        disabled=bool(row.disabled),
        expires_us=row.expires_us,
        used_us=row.used_us,
        window_us=row.window_us,
        window_times=row.window_times,
        label=row.label,
        created_us=row.created_us,
        updated_us=row.updated_us,
    )


def parties_of(row: Row) -> Iterator[Party]:
    """The real numbers of a row."""
    if isinstance(row, MaskRow):
        pairs = [(row.sealed, row.fingerprint)]
    else:
        pairs = [(row.a_sealed, row.a_fingerprint), (row.b_sealed, row.b_fingerprint)]
    for sealed, fingerprint in pairs:
        party = _party(sealed, fingerprint)
        if party is not None:
            yield party


def _party(sealed: bytes | None, fingerprint: bytes | None) -> Party | None:
    return None if sealed is None else Party(Sealed(sealed), fingerprint or b"")


def _open_target(text: str) -> Target | None:
    if not text:
        return None
    return AorTarget(text[4:]) if text.startswith("aor:") else SipTarget(text)
