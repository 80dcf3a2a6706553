"""Who calls, as the network asserts it or the caller says, and whether people may be told (RFC 3323, RFC 3325)."""

from __future__ import annotations

from typing import Final, NamedTuple

from routing.masks.secret import RealNumber
from routing.trunks.rewriting import NumberRule, rewrite
from switchboard.sip.message import Request

_WITHHOLDING: Final = frozenset({"id", "user"})
"""Values of Privacy by which a caller is not to be named (RFC 3323 §4.2, RFC 3325 §9.3)."""


class Caller(NamedTuple):
    """The number, where it is known; `withheld`: people are not to be told, masked or not."""

    number: RealNumber | None
    withheld: bool

    @property
    def shown(self) -> str:
        """What people are shown."""
        return "anonymous" if self.withheld or self.number is None else str(self.number)


def caller_of(request: Request, rules: tuple[NumberRule, ...] = (), *, believed: bool = True) -> Caller:
    """Who calls: whom the network asserts where it is believed, else From.

    `believed` is whether the request comes from within our trust domain: what others assert is worth nothing
    (RFC 3325 §5). `rules` rewrite the number as it stands there. It is withheld by Privacy or, where there is none,
    by an anonymous From.
    """
    first = request.headers.first
    user = user_of(first.get("from") or "")
    anonymous = user.lower() == "anonymous"
    withheld = _withholds(request) if "privacy" in first else anonymous
    if believed and "p-asserted-identity" in first:
        asserted = map(user_of, request.headers.values("p-asserted-identity"))
        user = next(filter(_names_somebody, asserted), "" if anonymous else user)
    elif anonymous:
        user = ""
    try:
        number = RealNumber(rewrite(rules, user) if rules else user) if user else None
    except ValueError:
        number = None
    return Caller(number, withheld)


def _names_somebody(user: str) -> bool:
    return bool(user) and user.lower() != "anonymous"


def _withholds(request: Request) -> bool:
    text = ";".join(request.headers.getall("privacy")).replace(",", ";").lower()
    return not _WITHHOLDING.isdisjoint(part.strip() for part in text.split(";"))


def user_of(value: str) -> str:
    """The user part of the URI in a From, To or P-Asserted-Identity; "" when it has none."""
    begin = value.find("<", value.rfind('"') + 1)
    uri = value[begin + 1 : value.find(">", begin)] if begin >= 0 else value.partition(";")[0]
    scheme, _, rest = uri.strip().partition(":")
    if scheme.lower() == "tel":
        return rest.partition(";")[0]
    return rest.rpartition("@")[0].partition(";")[0].partition(":")[0]
