from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routing.dialplan import DialPlan, Entry, NoRoute, ToTarget
from routing.numbers import MAX_EXTENSION, Number, normalise

digits = st.text("0123456789", max_size=16)
dialled = st.text("0123456789+*#,;pwPWxX.-() =%AaBb", max_size=40)
mobiles = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
fixed = st.from_regex(r"(10|2[0-9]|[3-9][0-9]{2})[2-8][0-9]{7}", fullmatch=True).filter(
    lambda text: not text.startswith(("400", "800"))
)
services = st.from_regex(r"[48]00[0-9]{7}", fullmatch=True)
extensions = st.from_regex(r"[0-9]{1,8}", fullmatch=True)
anything = st.one_of(
    st.text(max_size=40),
    dialled,
    digits,
    st.builds(
        "".join,
        st.lists(
            st.one_of(mobiles, fixed, services, st.sampled_from(["+", "0", "00", "86", "+86", "0086", ","])),
            max_size=4,
        ),
    ),
)
areas = st.sampled_from(["", "10", "571"])
countries = st.sampled_from(["86", "1"])


def mobile(subscriber: str) -> bool:
    """Whether it is a mobile number."""
    return len(subscriber) == 11 and subscriber[0] == "1" and subscriber[1] in "3456789"


@given(anything, countries, areas)
def test_idempotent(text: str, country: str, area: str) -> None:
    """A number in its one form is left as it is, with and without what was dialled after it."""
    number = normalise(text, country=country, area=area)
    assert normalise(number.number, country=country, area=area) == Number(number.number, "", number.kind)
    assert normalise(number.dialled, country=country, area=area) == number


@given(anything, countries, areas)
def test_total_and_bounded(text: str, country: str, area: str) -> None:
    """Every text gives a number, and what is not one comes back unchanged."""
    number = normalise(text, country=country, area=area)
    assert len(number.extension) <= MAX_EXTENSION
    assert number.extension.strip("0123456789*#") == ""
    if number.kind == "name":
        assert number == Number(text, "", "name")
    else:
        assert number.number.removeprefix("+").isdigit()


@given(st.one_of(mobiles, fixed), st.sampled_from(["+86", "86", "0086", "+860", "0", "+86 (0)"]))
def test_every_way_to_write_a_subscriber(subscriber: str, prefix: str) -> None:
    """All prefixes in use lead to the form dialled within the country, and that to E.164."""
    number = normalise(prefix + subscriber)
    assert number == Number(subscriber if mobile(subscriber) else "0" + subscriber, "", "e164")
    assert number.international == "+86" + subscriber


@given(services, st.sampled_from(["", "+86", "86", "0086", "0", "010", "0571", "021"]))
def test_every_way_to_write_a_400_number(service: str, prefix: str) -> None:
    """A 400 number loses country and area codes that carriers put before it."""
    assert normalise(prefix + service) == Number(service, "", "service")


@given(st.one_of(mobiles, fixed))
def test_national_form_round_trip(subscriber: str) -> None:
    """The forms for within the country and for the world lead back to the number."""
    number = normalise("+86" + subscriber)
    assert normalise(number.national) == normalise(number.international) == number


@given(
    st.one_of(mobiles, services),
    extensions,
    st.sampled_from([",", ",,", "p", "w", "pp", "x", "*", ";ext=", ";postd=p", "%2C", ", "]),
    st.sampled_from(["", "#"]),
)
def test_every_way_to_write_an_extension(number: str, extension: str, mark: str, end: str) -> None:
    """All marks between number and extension mean the same, with or without a closing #."""
    found = normalise(f"{number}{mark}{extension}{end}")
    assert (found.number, found.extension) == (normalise(number).number, extension)


@given(mobiles, st.lists(st.sampled_from(" .-()"), max_size=12))
def test_visual_separators(number: str, separators: list[str]) -> None:
    """Visual separators between digits mean nothing."""
    text = number[0] + "".join(
        digit + (separators[index] if index < len(separators) else "") for index, digit in enumerate(number[1:])
    )
    assert normalise(text) == normalise(number)


@given(mobiles)
def test_not_shown_whole(number: str) -> None:
    """The repr of a subscriber's number, which may end in a log, hides its middle."""
    found = normalise(number)
    assert number[3:7] not in repr(found).replace(number[-4:], "") or number[3:7] == number[-4:]
    assert "****" in repr(found)


prefixes = st.lists(st.text("0123456789", min_size=1, max_size=4), unique=True, max_size=12)


@given(prefixes, st.text("23456789", min_size=1, max_size=6))
def test_longest_prefix(beginnings: list[str], called: str) -> None:
    """The plan finds what a plain search for the longest beginning finds."""
    plan = DialPlan([Entry(number=f"{prefix}*", target=f"aor:{prefix}") for prefix in beginnings])
    fitting = sorted((prefix for prefix in beginnings if called.startswith(prefix)), key=len)
    route = plan.route("phones", called)
    if fitting:
        assert isinstance(route, ToTarget)
        assert route.target == f"aor:{fitting[-1]}"
    else:
        assert isinstance(route, NoRoute)
