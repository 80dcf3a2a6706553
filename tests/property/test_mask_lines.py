"""X numbers against a model that goes through all bindings, in any history of binding, calling and time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import structs

from routing.masks import (
    AorTarget,
    Binding,
    BindingError,
    CallbackRule,
    MaskTable,
    NumberTarget,
    Party,
    Policy,
    Sealed,
    TakenError,
    Target,
)
from routing.masks.policy import Way

XS = ["01088880000", "01088880001"]
PEOPLE = [bytes([65 + index]) * 16 for index in range(5)]
GROUPS = {"desk": [PEOPLE[0], PEOPLE[1]], "shop": [PEOPLE[1], PEOPLE[4]]}


def party(print_: bytes) -> Party:
    """A number whose sealed bytes tell whose it is."""
    return Party(Sealed(b"sealed " + print_[:1]), print_)


people = st.sampled_from([None, *map(party, PEOPLE)])
times = st.integers(0, 60)
policies = st.builds(
    Policy,
    direction=st.sampled_from(["both", "both", "a_to_b", "b_to_a"]),
    idle=st.sampled_from([None, None, 20.0]),
    trunk=st.just("t"),
    callback=st.sampled_from([None, None, CallbackRule(15.0, 2)]),
    latest=st.sampled_from([False, False, True]),
    shown_to_b=st.sampled_from(["", "13900000000"]),
)
bindings = st.builds(
    Binding,
    id=st.sampled_from(["1", "2", "3", "4"]),
    kind=st.sampled_from(["axb", "axb", "axn", "axg", "ax"]),
    number=st.sampled_from(XS),
    a=people,
    b=people,
    n=people,
    group=st.sampled_from(["", "", "desk", "shop"]),
    target=st.sampled_from([None, None, AorTarget("phone")]),
    policy=policies,
    disabled=st.sampled_from([False, False, True]),
    expires_us=st.none() | times.map(lambda second: second * 1_000_000),
)


def sensible(binding: Binding) -> Binding:
    """Most random bindings make no sense; leave out what is not of the kind."""
    kind = binding.kind
    owner = kind in ("ax", "axn") and binding.target is not None
    return structs.replace(
        binding,
        a=None if owner else binding.a,
        b=binding.b if kind == "axb" else None,
        n=binding.n if kind == "axn" and not owner else None,
        group=binding.group if kind == "axg" else "",
        target=binding.target if owner else None,
        policy=structs.replace(binding.policy, latest=binding.policy.latest and kind == "axn" and not owner),
    )


class Model:
    """What is bound, as a list to go through."""

    def __init__(self) -> None:
        self.bindings: dict[str, Binding] = {}
        self.used: dict[str, float] = {}
        self.window: dict[str, tuple[float, int]] = {}
        self.refused: set[bytes] = set()

    def alone(self, binding: Binding) -> bool:
        """Whether it has its number for itself."""
        return binding.kind in ("ax", "axn") or (binding.kind == "axg" and binding.a is None)

    def clashes(self, binding: Binding) -> bool:
        """Whether it cannot stand beside what is bound."""
        for other in self.bindings.values():
            if other.id == binding.id or other.number != binding.number:
                continue
            mine = {one.fingerprint for one in (binding.a, binding.b) if one is not None}
            theirs = {one.fingerprint for one in (other.a, other.b) if one is not None}
            if self.alone(binding) or self.alone(other) or mine & theirs:
                return True
            if binding.group and binding.group == other.group:
                return True
        return False

    def way_in(self, binding: Binding, caller: bytes | None) -> Way | None:
        """How a caller is of a binding, if at all."""
        if binding.kind == "axg" and binding.a is None:
            return "a_to_b"
        if binding.a is not None and caller == binding.a.fingerprint:
            return "a_to_b"
        if self.alone(binding) or (binding.b is not None and caller == binding.b.fingerprint):
            return "b_to_a"
        return None

    def find(self, x: str, caller: bytes | None) -> tuple[Binding, Way] | None:
        """The binding a call is of."""
        here = [binding for binding in self.bindings.values() if binding.number == x]
        for binding in here:
            way = self.way_in(binding, caller)
            if way is not None:
                return binding, way
        for group, members in GROUPS.items():
            for binding in here:
                if binding.group == group and caller in members:
                    return binding, "b_to_a"
        return None

    def reason(self, binding: Binding, way: Way, caller: bytes | None, now: float) -> str:
        """What a call through it comes to."""
        policy = binding.policy
        if binding.disabled:
            return "disabled"
        idle = policy.idle is not None and now >= self.used[binding.id] + policy.idle
        if idle or (binding.expires_us is not None and now >= binding.expires_us / 1e6):
            return "expired"
        if policy.direction not in ("both", way) or (binding.kind == "ax" and way == "a_to_b"):
            return "direction"
        if self.target(binding, way, "") is None and not (binding.kind == "axg" and way == "a_to_b"):
            return "unbound"
        agents = {"axb": "a_to_b", "axn": "a_to_b", "axg": "b_to_a"}.get(binding.kind)
        if way != agents or caller is None:
            return "ok"
        customer = binding.a if binding.kind == "axg" else binding.b or binding.n
        if customer is not None and customer.fingerprint in self.refused:
            return "refused"
        if policy.callback is not None:
            since, count = self.window[binding.id]
            if now >= since + (policy.callback.window or 0) or count >= (policy.callback.times or 0):
                return "exhausted"
        return "ok"

    def target(self, binding: Binding, way: Way, shown: str) -> Target | None:
        """Who is reached."""
        if way == "b_to_a" and binding.target is not None:
            return binding.target
        far = (binding.b or binding.n) if way == "a_to_b" else binding.a
        return None if far is None else NumberTarget(far.sealed, "t", shown)


class LinesMachine(RuleBasedStateMachine):
    """Any history leaves table and model with the same answers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = MaskTable()
        self.table.lines.set_groups(GROUPS)
        self.model = Model()
        self.now = 0.0

    @rule(binding=bindings.map(sensible))
    def add(self, binding: Binding) -> None:
        """Bind, or be refused for the same reason."""
        try:
            self.table.add(binding)
        except TakenError:
            assert self.model.clashes(binding)
            return
        except BindingError:
            return
        assert not self.model.clashes(binding)
        self.model.bindings.pop(binding.id, None)
        self.model.bindings[binding.id] = binding
        self.model.used[binding.id] = 0.0
        self.model.window[binding.id] = 0.0, 0

    @rule(key=st.sampled_from(["1", "2", "3", "4"]))
    def remove(self, key: str) -> None:
        """Unbind."""
        assert self.table.remove(key) is (self.model.bindings.pop(key, None) is not None)

    @rule(key=st.sampled_from(["1", "2", "3", "4"]), disabled=st.booleans())
    def switch(self, key: str, disabled: bool) -> None:
        """Switch off or on."""
        known = self.model.bindings.get(key)
        assert self.table.switch(key, disabled=disabled) is (known is not None)
        if known is not None:
            self.model.bindings[key] = structs.replace(known, disabled=disabled)

    @rule(key=st.sampled_from(["1", "2", "3", "4"]), until=st.none() | times)
    def extend(self, key: str, until: int | None) -> None:
        """Set or lift the end."""
        known = self.model.bindings.get(key)
        assert self.table.extend(key, until) is (known is not None)
        if known is not None:
            self.model.bindings[key] = structs.replace(known, expires_us=None if until is None else until * 1_000_000)

    @rule(x=st.sampled_from(XS), caller=st.sampled_from(PEOPLE))
    def call(self, x: str, caller: bytes) -> None:
        """A call that gets through is noted."""
        found = self.table.resolve_call(x, caller, self.now)
        if found.reason != "ok":
            return
        assert found.direction
        self.table.touch(found.binding, self.now, found.direction, party(caller))
        binding, way = self.model.bindings[found.binding], found.direction
        self.model.used[binding.id] = self.now
        since, count = self.model.window[binding.id]
        is_agent = way == ("b_to_a" if binding.kind == "axg" else "a_to_b")
        self.model.window[binding.id] = (since, count + 1) if is_agent else (self.now, 0)
        if binding.policy.latest and way == "b_to_a":
            self.model.bindings[binding.id] = structs.replace(binding, n=party(caller))

    @rule(customer=st.sampled_from(PEOPLE), refuses=st.booleans())
    def refuse(self, customer: bytes, refuses: bool) -> None:
        """A customer wants no calls, or calls again."""
        if refuses:
            self.table.lines.callbacks.refuse(customer)
            self.model.refused.add(customer)
        else:
            self.table.lines.callbacks.accept(customer)
            self.model.refused.discard(customer)

    @rule(seconds=st.integers(1, 12))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    @rule()
    def reload(self) -> None:
        """Swap in a table that was read from a store which knows nothing of the calls."""
        new = MaskTable()
        for binding in self.model.bindings.values():
            new.add(binding)
        difference = self.table.compare(new)
        assert (difference.added, difference.removed, difference.changed) == (0, 0, 0)
        self.table.swap(new)

    @invariant()
    def same_answers(self) -> None:
        """Every caller on every number gets the model's answer."""
        for x in XS:
            for caller in (None, *PEOPLE):
                found, known = self.table.resolve_call(x, caller, self.now), self.model.find(x, caller)
                if known is None:
                    assert (found.reason, found.binding) == ("unbound", "")
                    continue
                binding, way = known
                reason = self.model.reason(binding, way, caller, self.now)
                assert (found.reason, found.binding, found.direction) == (reason, binding.id, way)
                ok = reason == "ok"
                shown = (binding.policy.shown_to_b or x) if way == "a_to_b" else x
                assert found.target == (self.model.target(binding, way, shown) if ok else None)
                assert found.group == (binding.group if ok and way == "a_to_b" else "")
        assert len(self.table) == len(self.model.bindings)


TestLines = LinesMachine.TestCase
TestLines.settings = settings(max_examples=100, stateful_step_count=30)
