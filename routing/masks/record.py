"""A binding of an X number as the table keeps it: in one run of bytes, so that a look-up waits for memory once.

The head tells where things are; then come the fingerprints of A and of B or N (zeros where there is none), the id,
X, A sealed (or the target that stands for A), B or N sealed, and the label: what each look-up reads is near the front.
"""

from __future__ import annotations

from math import inf
from struct import Struct
from typing import Final

import msgspec

from routing.masks.binding import Binding
from routing.masks.secret import FINGERPRINT_BYTES, Party, Sealed
from routing.masks.target import AorTarget, SipTarget
from routing.masks.terms import Terms, terms_of

HEAD: Final = Struct("<IddHBBBB")
"""Index of the terms, absolute and idle end (UTC seconds, or infinity), lengths of A, B, id and X, what A is."""

FIRST: Final = HEAD.size
SECOND: Final = FIRST + FINGERPRINT_BYTES
BODY: Final = SECOND + FINGERPRINT_BYTES
NUMBER, SIP, AOR = 0, 1, 2
NOBODY: Final = bytes(FINGERPRINT_BYTES)
MAX_SEALED: Final = 255
KEY_MASK: Final = (1 << 60) - 1
"""What an integer holds in the least memory."""


class Record(msgspec.Struct, frozen=True):
    """What the bytes say; `owner` is who is reached instead of a number A."""

    id: str
    x: str
    terms: Terms
    until: float
    idle_until: float
    label: str
    a: Party | None
    other: Party | None
    owner: SipTarget | AorTarget | None

    def found_by(self) -> list[int]:
        """The keys under which its parties are looked up."""
        return [key_of(self.x, party.fingerprint) for party in (self.a, self.other) if party is not None]

    def touched(self, now: float, caller: Party | None) -> Record:
        """The same after a call; `caller` is kept where the latest one is to be called back."""
        idle, latest = self.terms.policy.idle, self.terms.policy.latest
        return msgspec.structs.replace(
            self,
            idle_until=self.idle_until if idle is None else now + idle,
            other=caller if caller is not None and latest and self.a is not None else self.other,
        )

    def carried(self, old: Record) -> Record:
        """The same with the calls noted in an earlier copy."""
        latest = self.terms.policy.latest and _print(self.a) == _print(old.a)
        return msgspec.structs.replace(
            self,
            idle_until=self.idle_until if old.idle_until == inf else max(self.idle_until, old.idle_until),
            other=old.other if latest else self.other,
        )

    def differs(self, other: Record) -> bool:
        """Whether more than what calls change is different."""
        mine, theirs = msgspec.structs.replace(self, idle_until=0.0), msgspec.structs.replace(other, idle_until=0.0)
        if self.terms.policy.latest:
            mine, theirs = msgspec.structs.replace(mine, other=None), msgspec.structs.replace(theirs, other=None)
        return mine != theirs

    def binding(self) -> Binding:
        """The whole again, as far as it is kept here."""
        kind, policy = self.terms.kind, self.terms.policy
        used = 0.0 if self.idle_until == inf else self.idle_until - (policy.idle or 0.0)
        return Binding(
            id=self.id,
            kind=kind,
            number=self.x,
            target=self.owner,
            a=self.a,
            b=self.other if kind == "axb" else None,
            n=self.other if kind == "axn" else None,
            group=self.terms.group,
            policy=policy,
            disabled=self.terms.disabled,
            expires_us=None if self.until == inf else round(self.until * 1e6),
            used_us=round(used * 1e6),
            label=self.label,
        )


def record_of(binding: Binding) -> Record:
    """What the table keeps of a binding that was checked."""
    return Record(
        binding.id,
        binding.number,
        terms_of(binding),
        _seconds(binding.expires_us),
        _seconds(binding.idle_us),
        binding.label,
        binding.a,
        binding.b or binding.n,
        binding.target if isinstance(binding.target, SipTarget | AorTarget) else None,
    )


def pack(record: Record, terms: int) -> bytes:
    """The bytes of a record whose terms have that index."""
    first, form = record.a.sealed if record.a is not None else b"", NUMBER
    if isinstance(record.owner, SipTarget):
        first, form = record.owner.uri.encode(), SIP
    elif isinstance(record.owner, AorTarget):
        first, form = record.owner.aor.encode(), AOR
    second = record.other.sealed if record.other is not None else b""
    name, x = record.id.encode(), record.x.encode()
    head = HEAD.pack(terms, record.until, record.idle_until, len(first), len(second), len(name), len(x), form)
    prints = (_print(record.a) or NOBODY) + (_print(record.other) or NOBODY)
    return b"".join((head, prints, name, x, first, second, record.label.encode()))


def unpack(packed: bytes, terms: list[Terms]) -> Record:
    """What was packed."""
    index, until, idle_until, a, b, name, x, form = HEAD.unpack_from(packed)
    at = BODY + name + x
    first, second = packed[at : at + a], packed[at + a : at + a + b]
    owner: SipTarget | AorTarget | None = None
    if form != NUMBER:
        owner = SipTarget(first.decode()) if form == SIP else AorTarget(first.decode())
    return Record(
        packed[BODY : BODY + name].decode(),
        packed[BODY + name : at].decode(),
        terms[index],
        until,
        idle_until,
        packed[at + a + b :].decode(),
        Party(Sealed(first), packed[FIRST:SECOND]) if a and form == NUMBER else None,
        Party(Sealed(second), packed[SECOND:BODY]) if b else None,
        owner,
    )


def key_of(x: str, fingerprint: bytes) -> int:
    """A small number to look a party of X up by; what is found must still be compared with the whole fingerprint."""
    return hash((x, fingerprint)) & KEY_MASK


def _print(party: Party | None) -> bytes:
    return b"" if party is None else party.fingerprint


def _seconds(time_us: int | None) -> float:
    return inf if time_us is None else time_us / 1e6
