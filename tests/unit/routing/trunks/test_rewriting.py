"""Numbers as carriers write them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.trunks.rewriting import MAX_NUMBER, NumberRule, RuleError, read_rule, rewrite

CASES: list[tuple[list[dict[str, Any]], str, str]] = [
    ([], "13912345678", "13912345678"),
    ([{"prefix": "0", "strip": 1, "add": "+86"}], "01088880000", "+861088880000"),
    ([{"prefix": "+86", "strip": 3}], "+8613912345678", "13912345678"),
    ([{"prefix": "+86", "strip": 3}], "+4413912345678", "+4413912345678"),
    ([{"prefix": "", "add": "9"}], "13912345678", "913912345678"),
    ([{"match": "1[3-9][0-9]{9}", "add": "0"}], "13912345678", "013912345678"),
    ([{"match": "1[3-9][0-9]{9}", "add": "0"}], "139123456789", "139123456789"),
    ([{"match": r"(\d{3,4})(\d{8})", "replace": r"+86\1\2"}], "01088880000", "+8601088880000"),
    ([{"match": r"\+86(1\d{10})", "replace": r"0086\1"}], "+8613912345678", "008613912345678"),
    ([{"prefix": "1", "add": "a"[:0]}, {"prefix": "13", "add": "9"}], "13912345678", "13912345678"),
    ([{"prefix": "2", "add": "8"}, {"prefix": "13", "add": "9"}], "13912345678", "913912345678"),
    ([{"prefix": "95", "strip": 2}], "954008001234,800001", "4008001234,800001"),
    ([{"prefix": "95", "strip": 2}], "954008001234*800001", "4008001234*800001"),
    ([{"prefix": "400", "strip": 3}], "400", "400"),
    ([{"prefix": "", "add": "1" * 39}], "22", "22"),
    ([{"prefix": "", "add": "9"}], "alice", "alice"),
    ([{"prefix": "", "add": "9"}], "", ""),
    ([{"prefix": "", "add": "9"}], "1" * 41, "1" * 41),
]


@pytest.mark.parametrize(("rules", "number", "made"), CASES)
def test_the_first_rule_that_fits_counts(rules: list[dict[str, Any]], number: str, made: str) -> None:
    """By prefix or pattern; what fits none stays, and so does an extension."""
    assert rewrite([read_rule(**rule) for rule in rules], number) == made


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({}, "either prefix or match"),
        ({"prefix": "0", "match": "0"}, "either prefix or match"),
        ({"prefix": "x"}, "prefix is made of digits"),
        ({"prefix": "0\r\n"}, "prefix is made of digits"),
        ({"prefix": "0", "add": "a"}, "add is made of digits"),
        ({"prefix": "0", "add": "1" * 41}, "add is made of digits"),
        ({"prefix": "0", "strip": 2}, "strip takes 2"),
        ({"prefix": "0", "strip": -1}, "strip is 0 to"),
        ({"prefix": "0", "replace": "1"}, "replace goes with match"),
        ({"match": "0", "replace": "1", "add": "2"}, "replace goes with match"),
        ({"match": "(0+)+"}, "match is made of"),
        ({"match": "((0))"}, "match is made of"),
        ({"match": "0|1"}, "match is made of"),
        ({"match": "(?:0)"}, "match is made of"),
        ({"match": "0++"}, "match is made of"),
        ({"match": "^0$"}, "match is made of"),
        ({"match": ""}, "match is made of"),
        ({"match": "0" * 81}, "match is made of"),
        ({"match": "0+1*2?3{1,2}"}, "more than 3"),
        ({"match": "0{5,3}"}, "match cannot be read"),
        ({"match": "[9-0]"}, "match cannot be read"),
        ({"match": "(0)", "replace": r"\2"}, r"replace names \2"),
        ({"match": "(0)", "replace": r"\g<1>"}, "replace is made of"),
        ({"match": "(0)", "replace": "sip:"}, "replace is made of"),
    ],
)
def test_what_is_no_rule(rule: dict[str, Any], reason: str) -> None:
    """Each is refused with the reason."""
    with pytest.raises(RuleError, match=re.escape(reason)):
        read_rule(**rule)


digits = st.text("0123456789+*#", max_size=12)
patterns = st.lists(
    st.tuples(
        st.sampled_from(["1", ".", r"\d", "[0-9]", r"\+", r"(\d)", "([1-3]+)"]),
        st.sampled_from(["", "", "?", "*", "+", "{2,}"]),
    ).filter(lambda part: not (part[0].startswith("(") and part[1])),
    min_size=1,
    max_size=8,
).map(lambda parts: "".join(map("".join, parts)))


@st.composite
def rules(draw: st.DrawFn) -> list[NumberRule]:
    """Whatever rules can be read."""
    found: list[NumberRule] = []
    for _ in range(draw(st.integers(1, 4))):
        try:
            if draw(st.booleans()):
                prefix = draw(digits)
                found.append(read_rule(prefix=prefix, strip=draw(st.integers(0, len(prefix))), add=draw(digits)))
            elif draw(st.booleans()):
                found.append(read_rule(match=draw(patterns), replace=draw(st.text("0123456789\\+", max_size=8))))
            else:
                found.append(read_rule(match=draw(patterns), strip=draw(st.integers(0, 5)), add=draw(digits)))
        except RuleError:
            continue
    return found


@given(rules(), st.text(max_size=60) | st.text("0123456789+,*#", max_size=60))
def test_whatever_the_rules_only_digits_are_added(found: list[NumberRule], number: str) -> None:
    """Nothing but digits, +, * and # ever joins a number, it never becomes empty or endless, and nothing raises."""
    made = rewrite(found, number)
    if made != number:
        rest = re.sub(r"^[0-9+]+", "", number)
        assert re.fullmatch(r"[0-9+*#]{1,40}", made.removesuffix(rest))
        assert made.endswith(rest)


def test_the_worst_pattern_comes_to_an_end() -> None:
    """Three loose parts over a number of greatest length that does not fit, many times."""
    rule = read_rule(match="1*1*1*2", add="0")
    for _ in range(100):
        assert rewrite([rule], "1" * MAX_NUMBER) == "1" * MAX_NUMBER
