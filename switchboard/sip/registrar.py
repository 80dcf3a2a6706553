"""Bindings of addresses-of-record to contacts (RFC 3261 §10.3), held in memory with their expiry."""

from __future__ import annotations

import heapq
import math
import re
from typing import Final

import msgspec

from switchboard.sip.address import NameAddr, parse_name_addr
from switchboard.sip.errors import ParseError, ProtocolError
from switchboard.sip.headers import is_digits, split_commas
from switchboard.sip.message import Request
from switchboard.sip.uri import Uri, is_sip_uri, parse_uri, same_uri

_Q: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
# RFC 3261 §10.2.1.1: a malformed value reads as one hour; larger ones than 2**32-1 as that.
_MALFORMED_EXPIRES: Final = 3600


class Binding(msgspec.Struct, frozen=True):
    """One contact of an address-of-record, as raw URI text, and who registered it from where."""

    contact: str
    source: tuple[str, int]
    q: float
    expires_at: float
    call_id: str
    cseq: int
    user_agent: str
    params: dict[str, str | None]


class RegisterResult(msgspec.Struct, frozen=True):
    """The status owed to a REGISTER, and the full Contact lines of a 200."""

    status: int
    contacts: tuple[str, ...] = ()
    min_expires: int | None = None

    @property
    def headers(self) -> tuple[str, ...]:
        """All header lines the answer needs: Contact lines, and Min-Expires with a 423."""
        if self.min_expires is None:
            return self.contacts
        return (*self.contacts, f"Min-Expires: {self.min_expires}")


class _Change(msgspec.Struct, frozen=True):
    """One Contact of a REGISTER: what it asks for."""

    address: NameAddr
    uri: Uri
    expires: int


class Registrar:
    """Keeps the bindings of every address-of-record."""

    def __init__(
        self,
        min_expires: int = 60,
        max_expires: int = 3600,
        default_expires: int = 600,
        max_contacts: int = 10,
    ) -> None:
        """Take the bounds of an expiry in seconds, and how many contacts one address may have."""
        self._min = min_expires
        self._max = max_expires
        self._default = default_expires
        self._max_contacts = max_contacts
        self._bindings: dict[str, tuple[Binding, ...]] = {}
        self._expiries: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._changed: set[str] = set()

    def __len__(self) -> int:
        """Count the addresses-of-record that have bindings."""
        return len(self._bindings)

    def lookup(self, aor: str, now: float) -> list[Binding]:
        """Return the bindings of an address-of-record that SIP can call, the newest first."""
        return [binding for binding in self._live(aor, now) if is_sip_uri(binding.contact)]

    def forget(self, aor: str) -> None:
        """Remove all bindings of an address-of-record."""
        if self._bindings.pop(aor, None) is not None:
            self._changed.add(aor)

    def cut_off(self, aor: str, source: tuple[str, int]) -> None:
        """Remove the bindings that an address-of-record has over a connection which has ended (RFC 5626 §5.3)."""
        held = self._bindings.get(aor, ())
        left = [binding for binding in held if binding.source != source]
        if len(left) < len(held):
            self._store(aor, left)

    def take_changes(self) -> set[str]:
        """Return the addresses-of-record that have come or gone since the last call; `lookup` tells which."""
        changed, self._changed = self._changed, set()
        return changed

    def next_deadline(self) -> float | None:
        """Return when the next binding expires, None when there is none."""
        heap = self._expiries
        while heap and not (heap[0][1] in self._bindings and self._due.get(heap[0][1]) == heap[0][0]):
            self._pop_due()
        return heap[0][0] if heap else None

    def handle_timer(self, now: float) -> None:
        """Drop the bindings that have expired."""
        heap = self._expiries
        while heap and heap[0][0] <= now:
            aor = self._pop_due()
            if aor is not None and aor in self._bindings:
                self._store(aor, self._live(aor, now))

    def register(self, request: Request, aor: str, source: tuple[str, int], now: float) -> RegisterResult:
        """Apply a validated, authenticated REGISTER as a whole or not at all (RFC 3261 §10.3 steps 5-8)."""
        current = self._live(aor, now)
        try:
            self._refuse_foreign(request)
            values = [item for line in request.headers.getall("contact") for item in split_commas(line)]
            if "*" in values:
                return self._remove_all(request, aor, values, current)
            if len(values) > 2 * self._max_contacts:
                return RegisterResult(403)
            changes = [self._read_change(value, request) for value in values]
        except (ParseError, ProtocolError):
            return RegisterResult(400)
        if any(0 < change.expires < self._min for change in changes):
            return RegisterResult(423, min_expires=self._min)
        updated = self._apply(changes, current, request, source, now)
        if updated is None:
            return RegisterResult(500)
        if len(updated) > self._max_contacts:
            return RegisterResult(403)
        if changes:
            self._store(aor, updated)
        return RegisterResult(200, tuple([_contact_line(binding, now) for binding in updated]))

    def _refuse_foreign(self, request: Request) -> None:
        """Refuse an address-of-record that is no SIP URI (RFC 4475 §3.3.4)."""
        if not parse_uri(request.to.uri).is_sip:
            raise ProtocolError("To is no SIP URI", status=400, header="To", section="RFC 3261 §10.3")

    def _remove_all(self, request: Request, aor: str, values: list[str], current: list[Binding]) -> RegisterResult:
        """`Contact: *` stands alone and with `Expires: 0` (RFC 3261 §10.3 step 6)."""
        expires = request.headers.get("expires") or ""
        if len(values) != 1 or not is_digits(expires) or int(expires[:10]) != 0:
            return RegisterResult(400)
        if any(_is_out_of_order(binding, request) for binding in current):
            return RegisterResult(500)
        self.forget(aor)
        return RegisterResult(200)

    def _read_change(self, value: str, request: Request) -> _Change:
        """Read one Contact."""
        address = parse_name_addr(value, "Contact")
        uri = parse_uri(address.uri)
        asked = address.params.get("expires", request.headers.get("expires"))
        return _Change(address, uri, self._granted(asked))

    def _granted(self, asked: str | None) -> int:
        """Return the seconds granted (RFC 3261 §10.3 step 7)."""
        if asked is None:
            return self._default
        seconds = int(asked) if is_digits(asked) and len(asked) <= 10 else _MALFORMED_EXPIRES
        return min(seconds, self._max)

    def _apply(
        self,
        changes: list[_Change],
        current: list[Binding],
        request: Request,
        source: tuple[str, int],
        now: float,
    ) -> list[Binding] | None:
        """Return the bindings after all changes, None when one comes out of order (RFC 3261 §10.3 step 7)."""
        held = [(binding, parse_uri(binding.contact)) for binding in current]
        for change in changes:
            same = [pair for pair in held if same_uri(pair[1], change.uri)]
            if any(_is_out_of_order(binding, request) and binding in current for binding, _ in same):
                return None
            held = [pair for pair in held if pair not in same]
            if change.expires > 0:
                held.insert(0, (_bind(change, request, source, now), change.uri))
        return [binding for binding, _ in held]

    def _live(self, aor: str, now: float) -> list[Binding]:
        """Return all bindings that have not expired: a contact may have any scheme (RFC 3261 §10.2.1)."""
        return [binding for binding in self._bindings.get(aor, ()) if binding.expires_at > now]

    def _store(self, aor: str, bindings: list[Binding]) -> None:
        """Replace the bindings; the heap holds one entry an address, renewed only by a sooner expiry."""
        if not bindings:
            self.forget(aor)
            return
        if aor not in self._bindings:
            self._changed.add(aor)
        self._bindings[aor] = tuple(bindings)
        earliest = min([binding.expires_at for binding in bindings])
        if earliest < self._due.get(aor, math.inf):
            self._due[aor] = earliest
            heapq.heappush(self._expiries, (earliest, aor))

    def _pop_due(self) -> str | None:
        """Take the first entry of the heap; its address, or None when a sooner entry has replaced it."""
        when, aor = heapq.heappop(self._expiries)
        if self._due.get(aor) != when:
            return None
        del self._due[aor]
        return aor


def _is_out_of_order(binding: Binding, request: Request) -> bool:
    """Tell whether the request is older than the binding (RFC 3261 §10.3 step 7)."""
    return binding.call_id == request.call_id and request.cseq <= binding.cseq


def _bind(change: _Change, request: Request, source: tuple[str, int], now: float) -> Binding:
    """Make the binding a change asks for."""
    params = {name: value for name, value in change.address.params.items() if name not in ("expires", "q")}
    q = change.address.params.get("q") or ""
    return Binding(
        contact=change.address.uri,
        source=source,
        q=float(q) if _Q.match(q) else 1.0,
        expires_at=now + change.expires,
        call_id=request.call_id,
        cseq=request.cseq,
        user_agent=request.headers.get("user-agent") or "",
        params=params,
    )


def _contact_line(binding: Binding, now: float) -> str:
    """Write a binding with the seconds it has left (RFC 3261 §10.3 step 8)."""
    params = binding.params.items()
    extra = "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params])
    q = "" if binding.q == 1.0 else f";q={binding.q:g}"
    return f"Contact: <{binding.contact}>{q}{extra};expires={max(1, round(binding.expires_at - now))}"
