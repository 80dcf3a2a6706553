"""Bindings of addresses-of-record to contacts (RFC 3261 §10.3), held in memory with their expiry."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from switchboard.sip.binding import Binding as Binding
from switchboard.sip.binding import Change, instance_of, path_of, read_contact, reg_id_of
from switchboard.sip.errors import ParseError, ProtocolError
from switchboard.sip.headers import is_digits, split_commas
from switchboard.sip.message import Request
from switchboard.sip.outbound import FlowUse, flow_use
from switchboard.sip.outgoing import Address
from switchboard.sip.pace import Pace
from switchboard.sip.uri import is_sip_uri, parse_uri, same_uri

# RFC 3261 §10.2.1.1: a malformed value reads as one hour; larger ones than 2**32-1 as that.
_MALFORMED_EXPIRES: Final = 3600
_FULL_RETRY: Final = 60


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What is granted, and how much is kept. Times in seconds."""

    min_expires: int = 60
    max_expires: int = 3600
    default_expires: int = 600
    contacts: int = 10
    """Of one address-of-record."""
    most: int = 100_000
    """Contacts in all."""
    rate: float = math.inf
    """REGISTERs a second that one address-of-record may send on average."""
    burst: float = 30.0
    """So many it may send at once."""
    flow_timer: int = 120
    """After so many seconds a phone is to send the next keep-alive over its flow (RFC 5626 §4.4.1); 0: as it likes."""


class RegisterResult(msgspec.Struct, frozen=True):
    """The status owed to a REGISTER, the full Contact lines of a 200, and whose contacts came and went."""

    status: int
    contacts: tuple[str, ...] = ()
    min_expires: int | None = None
    reason: str = ""
    lines: tuple[str, ...] = ()
    """What else is owed: Retry-After, Path, Require, Flow-Timer."""
    added: tuple[Binding, ...] = ()
    """Those of phones that are new, or have begun anew: a new Call-ID tells of it (RFC 3261 §10.2)."""
    removed: tuple[Binding, ...] = ()
    """Those that are no more, replaced ones left out."""

    @property
    def headers(self) -> tuple[str, ...]:
        """All header lines the answer needs: Contact lines, and Min-Expires with a 423."""
        if self.min_expires is None:
            return (*self.contacts, *self.lines) if self.lines else self.contacts
        return (*self.contacts, f"Min-Expires: {self.min_expires}")


_NOTHING: Final = RegisterResult(200)


class Registrar:
    """Keeps the bindings of every address-of-record."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:  # noqa: B008 - frozen
        self.bounds = bounds
        self._bindings: dict[str, tuple[Binding, ...]] = {}
        self._order: list[str] = []
        """The addresses-of-record, sorted."""
        self._total = 0
        self._pace = Pace(bounds.rate, bounds.burst, bounds.most)
        self._expiries: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._changed: set[str] = set()
        self._touched: set[str] = set()

    def __len__(self) -> int:
        """Count the addresses-of-record that have bindings."""
        return len(self._bindings)

    def __iter__(self) -> Iterator[str]:
        """Go through the addresses-of-record that have bindings."""
        return iter(self._bindings)

    def behind(self, aor: str, most: int) -> list[str]:
        """The first so many addresses-of-record behind this one, in order."""
        at = bisect_right(self._order, aor)
        return self._order[at : at + most]

    @property
    def total(self) -> int:
        """How many contacts there are in all."""
        return self._total

    def lookup(self, aor: str, now: float) -> list[Binding]:
        """Return the bindings of an address-of-record that SIP can call, the newest first."""
        return [binding for binding in self.bindings(aor, now) if is_sip_uri(binding.contact)]

    def bindings(self, aor: str, now: float) -> list[Binding]:
        """Return all bindings that have not expired: a contact may have any scheme (RFC 3261 §10.2.1)."""
        return [binding for binding in self._bindings.get(aor, ()) if binding.expires_at > now]

    def forget(self, aor: str) -> None:
        """Remove all bindings of an address-of-record."""
        self._store(aor, [])

    def remove(self, aor: str, contact: str = "") -> int:
        """Remove the bindings with this contact, all when none is given; returns how many there were."""
        held = self._bindings.get(aor, ())
        left = [binding for binding in held if contact and binding.contact != contact]
        if len(left) < len(held):
            self._store(aor, left)
        return len(held) - len(left)

    def drop(self, aor: str, binding: Binding) -> bool:
        """Remove this very binding, False when it is no more or was renewed."""
        held = self._bindings.get(aor, ())
        left = [one for one in held if one != binding]
        if len(left) < len(held):
            self._store(aor, left)
        return len(left) < len(held)

    def cut_off(self, aor: str, source: Address) -> None:
        """Remove the bindings that an address-of-record has over a connection which has ended (RFC 5626 §5.3).

        Those with a Path stay: the way to their proxy is another connection.
        """
        held = self._bindings.get(aor, ())
        left = [binding for binding in held if binding.source != source or binding.path]
        if len(left) < len(held):
            self._store(aor, left)

    def restore(self, aor: str, bindings: Iterable[Binding]) -> None:
        """Take up bindings that were kept elsewhere; as far as there is room."""
        room = self.bounds.most - self._total
        self._store(aor, list(bindings)[: min(room, self.bounds.contacts)])

    def take_changes(self) -> set[str]:
        """Return the addresses-of-record that have come or gone since the last call; `lookup` tells which."""
        changed, self._changed = self._changed, set()
        return changed

    def take_touched(self) -> set[str]:
        """Return the addresses-of-record that anything has changed of since the last call, also an expiry."""
        touched, self._touched = self._touched, set()
        return touched

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
                self._store(aor, self.bindings(aor, now))

    def register(
        self, request: Request, aor: str, source: Address, now: float, *, answered: bool = False
    ) -> RegisterResult:
        """Apply a validated, authenticated REGISTER as a whole or not at all (RFC 3261 §10.3 steps 5-8).

        `answered` is whether keep-alives are on the transport it came by, so that a phone may rely on its flow.
        """
        if wait := self._pace.take(aor, now):
            return RegisterResult(500, reason="Too Many Registrations", lines=(f"Retry-After: {math.ceil(wait)}",))
        current = self.bindings(aor, now)
        try:
            self._refuse_foreign(request)
            values = [item for line in request.headers.getall("contact") for item in split_commas(line)]
            if "*" in values:
                return self._remove_all(request, aor, values, current)
            if len(values) > 2 * self.bounds.contacts:
                return RegisterResult(403, reason="Too Many Contacts")
            path = path_of(request)
            changes = [self._read_change(value, request) for value in values]
            use = _flow_use(changes, request, path, answered=answered)
        except (ParseError, ProtocolError) as error:
            return RegisterResult(error.status or 400)
        if use is FlowUse.LACKING:
            return RegisterResult(439)
        if use is FlowUse.NONE:
            changes = [msgspec.structs.replace(one, reg_id=0) if one.reg_id else one for one in changes]
        if any(0 < change.expires < self.bounds.min_expires for change in changes):
            return RegisterResult(423, min_expires=self.bounds.min_expires)
        result = self._apply(changes, current, request, source, path, now)
        if isinstance(result, RegisterResult):
            return result
        updated, added, removed = result
        more = len(updated) - len(current)
        if more > 0 and len(updated) > self.bounds.contacts:
            return RegisterResult(403, reason="Too Many Contacts")
        if more > 0 and self._total + more > self.bounds.most:
            return RegisterResult(503, reason="Too Many Contacts In All", lines=(f"Retry-After: {_FULL_RETRY}",))
        if changes:
            self._store(aor, updated)
        return RegisterResult(
            200,
            tuple([binding.line(now) for binding in updated]),
            lines=self._lines(request, path, use) if path or use is FlowUse.USED else (),
            added=added,
            removed=removed,
        )

    def _lines(self, request: Request, path: tuple[str, ...], use: FlowUse) -> tuple[str, ...]:
        """Path as it was stored, to a phone that knows it (RFC 3327 §5.3); that the flow is kept (RFC 5626 §6)."""
        lines: tuple[str, ...] = ()
        if path and "path" in [tag.lower() for tag in request.headers.values("supported")]:
            lines = tuple([f"Path: {value}" for value in path])
        if use is FlowUse.USED:
            lines = (*lines, "Require: outbound")
            if self.bounds.flow_timer:
                lines = (*lines, f"Flow-Timer: {self.bounds.flow_timer}")
        return lines

    def _refuse_foreign(self, request: Request) -> None:
        """Refuse an address-of-record that is no SIP URI (RFC 4475 §3.3.4)."""
        if not request.usual and not parse_uri(request.to.uri).is_sip:
            raise ProtocolError("To is no SIP URI", status=400, header="To", section="RFC 3261 §10.3")

    def _remove_all(self, request: Request, aor: str, values: list[str], current: list[Binding]) -> RegisterResult:
        """`Contact: *` stands alone and with `Expires: 0` (RFC 3261 §10.3 step 6)."""
        expires = request.headers.get("expires") or ""
        if len(values) != 1 or not is_digits(expires) or int(expires[:10]) != 0:
            return RegisterResult(400)
        if any(binding.is_newer_than(request) for binding in current):
            return RegisterResult(500, reason="Registration Out Of Order")
        self.forget(aor)
        return RegisterResult(200, removed=tuple(current)) if current else _NOTHING

    def _read_change(self, value: str, request: Request) -> Change:
        """Read one Contact."""
        address = read_contact(value)
        asked = address.params.get("expires", request.headers.get("expires"))
        instance = instance_of(address)
        # RFC 5626 §6: a number without an instance is passed over.
        return Change(address, self._granted(asked), instance, reg_id_of(address) if instance else 0)

    def _granted(self, asked: str | None) -> int:
        """Return the seconds granted (RFC 3261 §10.3 step 7)."""
        if asked is None:
            return self.bounds.default_expires
        seconds = int(asked) if is_digits(asked) and len(asked) <= 10 else _MALFORMED_EXPIRES
        return min(seconds, self.bounds.max_expires)

    def _apply(
        self,
        changes: list[Change],
        current: list[Binding],
        request: Request,
        source: Address,
        path: tuple[str, ...],
        now: float,
    ) -> RegisterResult | tuple[list[Binding], tuple[Binding, ...], tuple[Binding, ...]]:
        """Return the bindings after all changes, those that came and went; or the refusal of one out of order."""
        before, made, added, removed = list(current), list[Binding](), list[Binding](), list[Binding]()
        for change in changes:
            same = [binding for binding in before if change.concerns(binding)]
            if any(binding.is_newer_than(request) for binding in same):
                return RegisterResult(500, reason="Registration Out Of Order")
            if same:
                before = [binding for binding in before if binding not in same]
            twice = [binding for binding in made if same_uri(binding.contact, change.address.uri)]
            made = [binding for binding in made if binding not in twice]
            if change.expires > 0:
                binding = change.bind(request, source, path, now)
                made.insert(0, binding)
                if not any(one.call_id == binding.call_id for one in same):
                    added.append(binding)
            else:
                removed += same
        return made + before, tuple(added), tuple(removed)

    def _store(self, aor: str, bindings: list[Binding]) -> None:
        """Replace the bindings; the heap holds one entry an address, renewed only by a sooner expiry."""
        held = self._bindings.get(aor)
        if held is None and not bindings:
            return
        self._touched.add(aor)
        self._total += len(bindings) - len(held or ())
        if not bindings:
            del self._bindings[aor]
            del self._order[bisect_left(self._order, aor)]
            self._changed.add(aor)
            return
        if held is None:
            insort(self._order, aor)
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


def _flow_use(changes: list[Change], request: Request, path: tuple[str, ...], *, answered: bool) -> FlowUse:
    """What becomes of the flow; a REGISTER that keeps one has a single contact (RFC 5626 §6)."""
    kept = [change for change in changes if change.reg_id]
    if not kept:
        return FlowUse.NONE
    if len([change for change in changes if change.expires]) > 1:
        raise ProtocolError("a flow has one contact", status=400, header="Contact", section="RFC 5626 §6")
    return flow_use(request, path, answered=answered)
