"""Header lines as carriers want them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.trunks.header_rules import RESERVED, SLOTS, Action, HeaderRuleError, apply_rules, read_header_rule

VALUES = {"shown": "01088880000", "called": "13912345678", "domain": "carrier.example", "trunk": "north", "account": ""}
SLOT_TEXTS = [f"{{{slot}}}" for slot in SLOTS]
LINES = ("Supported: timer", "X-Old: 1", "x-old: 2", "Privacy: none")

CASES: list[tuple[list[tuple[Action, str, str]], tuple[str, ...]]] = [
    ([], LINES),
    ([("remove", "X-Old", "")], ("Supported: timer", "Privacy: none")),
    ([("set", "privacy", "id")], ("Supported: timer", "X-Old: 1", "x-old: 2", "privacy: id")),
    ([("add", "X-Old", "3")], (*LINES, "X-Old: 3")),
    (
        [("set", "P-Asserted-Identity", "<sip:{shown}@{domain}>")],
        (*LINES, "P-Asserted-Identity: <sip:01088880000@carrier.example>"),
    ),
    ([("set", "X-Account", "{account}")], LINES),
    ([("set", "X-Account", "{gateway}")], LINES),
    ([("add", "X-New", "1"), ("remove", "X-New", "")], LINES),
]


@pytest.mark.parametrize(("rules", "lines"), CASES)
def test_rules_are_followed_in_their_order(rules: list[tuple[Action, str, str]], lines: tuple[str, ...]) -> None:
    """Set replaces all of a name, add leaves them, remove takes them; an empty slot leaves the line out."""
    assert apply_rules([read_header_rule(*rule) for rule in rules], LINES, VALUES) == lines


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (("set", "X-A", "1\r\nVia: x"), "one line"),
        (("set", "X-A", "1\nX: y"), "one line"),
        (("set", "X-A\r\nVia", "1"), "no name"),
        (("set", "X A", "1"), "no name"),
        (("set", "", "1"), "no name"),
        (("set", "X-A", ""), "needs a value"),
        (("add", "X-A", ""), "needs a value"),
        (("remove", "X-A", "1"), "takes no value"),
        (("set", "X-A", "{caller}"), "cannot be filled in"),
        (("set", "X-A", "{}"), "cannot be filled in"),
        (("set", "X-A", "1" * 257), "one line of at most"),
        *(
            ((action, name, "1"), "belongs to the protocol")
            for action in ("set", "add")
            for name in ("Via", "t", "FROM")
        ),
        (("remove", "Route", ""), "belongs to the protocol"),
    ],
)
def test_what_is_no_rule(rule: tuple[Action, str, str], reason: str) -> None:
    """Each is refused with the reason."""
    with pytest.raises(HeaderRuleError, match=reason):
        read_header_rule(*rule)


@given(
    st.sampled_from(["set", "add"]),
    st.text(max_size=12) | st.sampled_from(["X-A", "Diversion"]),
    st.text(max_size=40)
    | st.lists(st.sampled_from([f"{{{slot}}}" for slot in SLOTS] + ["a", "\r", "\n"])).map("".join),
    st.dictionaries(st.sampled_from(SLOTS), st.text(max_size=20)),
)
def test_no_rule_and_no_value_makes_a_second_line(
    action: Action, name: str, value: str, values: dict[str, str]
) -> None:
    """Whatever is configured and filled in: one header of that name, which is none of the protocol's, on one line."""
    try:
        rule = read_header_rule(action, name, value)
    except HeaderRuleError:
        return
    for line in apply_rules([rule], (), values):
        assert all(ord(letter) > 31 for letter in line)
        assert len(line.splitlines()) == 1
        assert line.partition(":")[0].lower() not in RESERVED
