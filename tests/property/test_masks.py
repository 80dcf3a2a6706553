"""The mask table against a plain dictionary, and numbers and vault on any input."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from routing.masks import (
    AorTarget,
    MaskTable,
    NumberTarget,
    RealNumber,
    Sealed,
    SipTarget,
    Target,
    Vault,
    mask_number,
)
from routing.masks.secret import canonical_number

NUMBERS = st.sampled_from(["4008001234", "95588"])
EXTENSIONS = st.sampled_from(["0", "00", "1", "12", "21", "123456"])
TEXTS = st.text("01236sip:@.{}extnsion", min_size=1, max_size=30)
TARGETS = st.one_of(
    TEXTS.map(SipTarget),
    TEXTS.map(AorTarget),
    st.builds(NumberTarget, st.binary(min_size=1).map(Sealed), TEXTS, TEXTS),
)
TIMES = st.integers(0, 20).map(float)


def filled(target: Target, extension: str) -> Target:
    """The target as a caller of `extension` gets it."""
    if isinstance(target, SipTarget):
        return SipTarget(target.uri.replace("{extension}", extension))
    if isinstance(target, AorTarget):
        return AorTarget(target.aor.replace("{extension}", extension))
    return target


class Model:
    """A binding as the obvious dictionary would keep it."""

    def __init__(self, target: Target | None, until: float | None = None, disabled: bool = False) -> None:
        self.target = target
        self.until = until
        self.disabled = disabled

    def answer(self, extension: str, now: float) -> tuple[Target | None, str]:
        """What a look-up must give."""
        if self.target is None:
            return None, "quarantine" if self.until is not None and now < self.until else "unbound"
        if self.disabled:
            return None, "disabled"
        if self.until is not None and now >= self.until:
            return None, "expired"
        return filled(self.target, extension), "ok"


class TableMachine(RuleBasedStateMachine):
    """Any sequence of operations leaves table and model with the same answers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = MaskTable()
        self.model: dict[tuple[str, str], Model] = {}

    def bound(self, number: str, extension: str) -> Model | None:
        """The model's binding, unless it is only the trace of one."""
        found = self.model.get((number, extension))
        return found if found is not None and found.target is not None else None

    @rule(number=NUMBERS, extension=EXTENSIONS, leads=TARGETS, expires=st.none() | TIMES, disabled=st.booleans())
    def bind(self, number: str, extension: str, leads: Target, expires: float | None, disabled: bool) -> None:
        """Bind, in place of anything."""
        self.table.bind(number, extension, leads, expires=expires, disabled=disabled)
        self.model[number, extension] = Model(leads, expires, disabled)

    @rule(number=NUMBERS, extension=EXTENSIONS, until=st.none() | TIMES)
    def unbind(self, number: str, extension: str, until: float | None) -> None:
        """Unbind, with or without quarantine."""
        known = self.bound(number, extension)
        assert self.table.unbind(number, extension, quarantine_until=until) is (known is not None)
        if known is not None:
            self.model[number, extension] = Model(None, until)

    @rule(number=NUMBERS, extension=EXTENSIONS, disabled=st.booleans())
    def disable(self, number: str, extension: str, disabled: bool) -> None:
        """Switch off or on."""
        known = self.bound(number, extension)
        assert self.table.disable(number, extension, disabled=disabled) is (known is not None)
        if known is not None:
            known.disabled = disabled

    @rule(number=NUMBERS, extension=EXTENSIONS, at=st.none() | TIMES)
    def expire(self, number: str, extension: str, at: float | None) -> None:
        """Set or lift the expiry."""
        known = self.bound(number, extension)
        assert self.table.expire(number, extension, at) is (known is not None)
        if known is not None:
            known.until = at

    @rule()
    def reload(self) -> None:
        """Swap in a table built anew from the model."""
        new = MaskTable()
        for (number, extension), known in self.model.items():
            if known.target is not None:
                new.bind(number, extension, known.target, expires=known.until, disabled=known.disabled)
        difference = self.table.compare(new)
        assert (difference.added, difference.removed, difference.changed) == (0, 0, 0)
        self.table.swap(new)
        self.model = {key: known for key, known in self.model.items() if known.target is not None}

    @invariant()
    def same_answers(self) -> None:
        """Every key and time gives the model's answer, and the sizes agree."""
        for (number, extension), known in self.model.items():
            for now in (0.0, 7.0, 20.0):
                found = self.table.resolve(number, extension, now)
                assert (found.target, found.reason) == known.answer(extension, now)
        assert len(self.table) == sum(known.target is not None for known in self.model.values())


TestTable = TableMachine.TestCase
TestTable.settings = settings(max_examples=50, stateful_step_count=40)


@given(st.one_of(st.text(max_size=30), st.text("0123468+*#,;=ext -", max_size=20)))
def test_canonical_form_is_stable(text: str) -> None:
    """The canonical form of a canonical form is itself."""
    once = canonical_number(text)
    assert canonical_number(once) == once


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.sampled_from(["+86", "86", "0086", "+86 ", "0", ""]))
def test_prefixes_do_not_matter(digits: str, prefix: str) -> None:
    """Any +86 form of a mobile number is that number, and prints without its middle."""
    number = RealNumber(prefix + digits)
    assert number.reveal("test") == digits
    assert str(number) == f"{digits[:3]}****{digits[-4:]}"


@given(st.text(min_size=5, max_size=64))
def test_masking_never_shows_the_whole(text: str) -> None:
    """A masked number shows at most seven characters of at least eleven, less of shorter ones."""
    shown = mask_number(text)
    kept = len(shown) - 4
    assert kept <= (7 if len(text) >= 11 else 4 if len(text) >= 8 else 2)


@given(st.text(min_size=1, max_size=64).filter(lambda text: text.strip().encode(errors="ignore").decode() == text))
def test_sealing_round_trip(text: str) -> None:
    """What is sealed opens to the same number, and only under its keys."""
    vault = Vault({1: b"k" * 32}, b"h" * 32, os.urandom)
    number = RealNumber(text)
    assert vault.open(vault.seal(number)) == number
