from __future__ import annotations

import pytest

from routing.dialplan import DialPlan, DialPlanError, Entry, NoRoute, Route, ToFlow, ToMask, ToQueue, ToTarget
from routing.masks import AorTarget, Binding, MaskTable

PLAN = DialPlan(
    [
        Entry(number="4008001234", flow="extension"),
        Entry(number="4001", target="sip:agent@127.0.0.1:5190"),
        Entry(number="4002", flow="internal", contexts=("phones",)),
        Entry(number="4002", flow="public"),
        Entry(number="01088880000", mask=True),
        Entry(number="alice", target="aor:alice", contexts=("phones",)),
        Entry(number="4003", group="support"),
        Entry(number="400*", flow="hotline"),
        Entry(number="40077*", flow="partner", contexts=("carrier", "other")),
        Entry(number="400778*", flow="special"),
        Entry(number="139*", flow="mobiles"),
        Entry(number="+1*", flow="america"),
        Entry(number="+86571*", flow="hangzhou"),
        Entry(number="10*", target="aor:{number}", contexts=("phones",)),
    ]
)
NOBODY = NoRoute(404, "Not Found")


def to_flow(name: str, number: str, context: str, **more: str | int) -> ToFlow:
    """Return the route to a flow, with the variables it begins with."""
    return ToFlow(name, number, {"called": number, "trunk": context, **more})


ROUTES: list[tuple[str, str, Route]] = [
    ("carrier", "4008001234", to_flow("extension", "4008001234", "carrier")),
    ("carrier", "+864008001234", to_flow("extension", "4008001234", "carrier")),
    ("carrier", "4008001234,123456", to_flow("extension", "4008001234", "carrier", extension="123456")),
    ("phones", "4008001234;ext=12", to_flow("extension", "4008001234", "phones", extension="12")),
    ("carrier", "4001", ToTarget("sip:agent@127.0.0.1:5190", "4001")),
    ("carrier", "4001,99", ToTarget("sip:agent@127.0.0.1:5190", "4001")),
    ("carrier", "4003", ToQueue("support", "4003")),
    ("carrier", "4002", to_flow("public", "4002", "carrier")),
    ("phones", "4002", to_flow("internal", "4002", "phones")),
    ("phones", "4002,1", to_flow("internal", "4002", "phones", extension="1")),
    ("carrier", "01088880000", ToMask("01088880000", "")),
    ("carrier", "+861088880000", ToMask("01088880000", "")),
    ("carrier", "861088880000*7", ToMask("01088880000", "7")),
    ("phones", "alice", ToTarget("aor:alice", "alice")),
    ("carrier", "alice", NOBODY),
    ("phones", "Alice", NOBODY),
    ("carrier", "4009999999", to_flow("hotline", "4009999999", "carrier")),
    ("carrier", "400", to_flow("hotline", "400", "carrier")),
    ("carrier", "40", NOBODY),
    ("carrier", "4007700000", to_flow("partner", "4007700000", "carrier")),
    ("other", "4007700000", to_flow("partner", "4007700000", "other")),
    ("phones", "4007700000", to_flow("hotline", "4007700000", "phones")),
    ("carrier", "4007780000", to_flow("special", "4007780000", "carrier")),
    ("carrier", "13956781234", to_flow("mobiles", "13956781234", "carrier")),
    ("carrier", "+8613956781234", to_flow("mobiles", "13956781234", "carrier")),
    ("carrier", "+8657188880000", to_flow("hangzhou", "057188880000", "carrier")),
    ("carrier", "057188880000", to_flow("hangzhou", "057188880000", "carrier")),
    ("carrier", "+14155550100", to_flow("america", "+14155550100", "carrier")),
    ("phones", "1005", ToTarget("aor:1005", "1005")),
    ("carrier", "1005", NOBODY),
    ("phones", "10<script>", NOBODY),
    ("phones", "10\r\nVia: x", NOBODY),
    ("carrier", "", NOBODY),
    ("nobody knows", "4001", ToTarget("sip:agent@127.0.0.1:5190", "4001")),
]


class TestRoute:
    """Where a number goes."""

    @pytest.mark.parametrize(("context", "called", "route"), ROUTES)
    def test_route(self, context: str, called: str, route: Route) -> None:
        """Exact numbers first, then the longest beginning; the caller's own context wins at equal length."""
        assert PLAN.route(context, called) == route

    @pytest.mark.parametrize(
        "called",
        [
            "4008001234,123456",
            "4008001234;ext=123456",
            "4008001234;ext=123456;phone-context=+86",
            "4008001234;phone-context=+86;ext=123456",
            "+864008001234;ext=123456",
            "4008001234*123456",
            "4008001234p123456",
            "4008001234%2C123456",
            "4008001234%2c,123456%23",
            "400-800-1234 x 123456",
        ],
    )
    def test_extension_dialled_at_once(self, called: str) -> None:
        """However the extension is written behind the number, flow and mask get both."""
        assert PLAN.route("carrier", called) == to_flow("extension", "4008001234", "carrier", extension="123456")
        masks = DialPlan([Entry(number="400 800 1234", mask=True)])
        assert masks.route("carrier", called) == ToMask("4008001234", "123456")

    @pytest.mark.parametrize(
        "written", ["01088880000", "+861088880000", "010-8888 0000", "86 10 88880000", "０１０８８８８００００"]
    )
    def test_an_x_number_is_found_as_the_masks_have_it(self, written: str) -> None:
        """Plan and masks agree on a number, however it is written here and called there."""
        plan = DialPlan([Entry(number=written, mask=True)])
        table = MaskTable()
        table.add(Binding(id="1", kind="ax", number=written, target=AorTarget("alice")))
        for called in ("01088880000", "+861088880000", "861088880000"):
            route = plan.route("carrier", called)
            assert isinstance(route, ToMask)
            assert table.resolve_call(route.number, None, 0.0).target == AorTarget("alice")

    def test_numbers_of_pools(self) -> None:
        """Masks as soon as they are given out, unless an entry names them; beginnings of masks keep what they bring."""
        plan = DialPlan(
            [
                Entry(number="01088880001", flow="hotline"),
                Entry(number="0106*", mask=True),
                Entry(number="*", target="aor:desk"),
            ]
        )
        assert plan.route("carrier", "01088880002") == ToTarget("aor:desk", "01088880002")
        plan.serve(["01088880001", "01088880002", "01066660001"])
        assert plan.route("carrier", "+861088880002") == ToMask("01088880002", "")
        assert plan.route("carrier", "01088880001") == to_flow("hotline", "01088880001", "carrier")
        kept = plan.entry("01066660001")
        assert kept is not None
        assert kept.number == "0106*"
        plan.serve([])
        assert plan.route("carrier", "01088880002") == ToTarget("aor:desk", "01088880002")

    def test_own_context_wins_at_equal_length(self) -> None:
        """Of two equal beginnings the one for the caller's context is taken."""
        plan = DialPlan(
            [Entry(number="5*", target="aor:all"), Entry(number="5*", target="aor:own", contexts=("phones",))]
        )
        assert plan.route("phones", "555") == ToTarget("aor:own", "555")
        assert plan.route("carrier", "555") == ToTarget("aor:all", "555")

    def test_everything(self) -> None:
        """A lone star takes every number, but no names."""
        plan = DialPlan([Entry(number="*", target="aor:desk")])
        assert plan.route("phones", "123") == ToTarget("aor:desk", "123")
        assert plan.route("phones", "bob") == NOBODY

    def test_variables_are_the_callers_own(self) -> None:
        """Two calls of one number do not share their variables."""
        first, second = PLAN.route("carrier", "4008001234"), PLAN.route("carrier", "4008001234")
        assert isinstance(first, ToFlow)
        assert isinstance(second, ToFlow)
        first.variables["called"] = "changed"
        assert second.variables["called"] == "4008001234"

    def test_own_area(self) -> None:
        """The plan reads its own numbers and those called within its area."""
        plan = DialPlan([Entry(number="88880000", mask=True)], area="10")
        assert plan.route("carrier", "01088880000") == ToMask("01088880000", "")
        assert plan.route("carrier", "88880000") == ToMask("01088880000", "")

    def test_target_of_an_exact_number_is_left_alone(self) -> None:
        """Only a pattern's target takes the number dialled."""
        plan = DialPlan([Entry(number="1", target="aor:{number}")])
        assert plan.route("phones", "1") == ToTarget("aor:{number}", "1")


class TestRefused:
    """What a plan cannot hold."""

    @pytest.mark.parametrize(
        ("entries", "reason"),
        [
            ([Entry(number="1")], "number 1: give one of flow, target, mask and group"),
            ([Entry(number="1", flow="a", mask=True)], "number 1: give one of flow, target, mask and group"),
            ([Entry(number="", flow="a")], "an entry has no number"),
            ([Entry(number="ab*", flow="a")], "number ab*: only digits stand before the '*'"),
            ([Entry(number="1**", flow="a")], "number 1**: only digits stand before the '*'"),
            ([Entry(number="1*", flow="a"), Entry(number="1*", flow="b")], "number 1* is given twice"),
            (
                [Entry(number="13956781234", flow="a"), Entry(number="+8613956781234", flow="b")],
                "number +8613956781234 is given twice",
            ),
            (
                [
                    Entry(number="1", flow="a", contexts=("x",)),
                    Entry(number="1", flow="b", contexts=("y", "x")),
                ],
                "number 1 is given twice for x",
            ),
        ],
    )
    def test_refused(self, entries: list[Entry], reason: str) -> None:
        """An entry that goes nowhere, to several places or exists already is refused by its number."""
        with pytest.raises(DialPlanError) as caught:
            DialPlan(entries)
        assert str(caught.value) == reason
