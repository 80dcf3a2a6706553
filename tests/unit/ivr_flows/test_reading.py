"""Values read out as people say them."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivr_flows.reading import FORMS, LANGUAGES, read

# Which Chinese and English words a value of a form becomes.
TABLE = [
    ("number", "0", "零", "zero"),
    ("number", "2", "二", "two"),
    ("number", "10", "十", "ten"),
    ("number", "12", "十二", "twelve"),
    ("number", "20", "二十", "twenty"),
    ("number", "110", "一百一十", "one hundred and ten"),
    ("number", "200", "二百", "two hundred"),
    ("number", "1005", "一千零五", "one thousand and five"),
    ("number", "1010", "一千零一十", "one thousand and ten"),
    ("number", "2000", "两千", "two thousand"),
    ("number", "2200", "两千二百", "two thousand two hundred"),
    ("number", "10000", "一万", "ten thousand"),
    ("number", "12000", "一万二千", "twelve thousand"),
    ("number", "20000", "两万", "twenty thousand"),
    ("number", "100010", "十万零一十", "one hundred thousand and ten"),
    ("number", "1005000", "一百万五千", "one million five thousand"),
    ("number", "100000005", "一亿零五", "one hundred million and five"),
    ("number", "200000000", "两亿", "two hundred million"),
    ("number", "1000500000000", "一万零五亿", "one trillion five hundred million"),
    ("number", "1,234", "一千二百三十四", "one thousand two hundred and thirty-four"),
    ("number", "3.14", "三点一四", "three point one four"),
    ("number", "0.50", "零点五零", "zero point five zero"),
    ("number", "-3", "负三", "minus three"),
    ("number", "-0.0", "零点零", "zero point zero"),
    ("number", "12%", "百分之十二", "twelve per cent"),
    ("number", "１２", "十二", "twelve"),
    ("count", "2", "两", "two"),
    ("count", "12", "十二", "twelve"),
    ("count", "22", "二十二", "twenty-two"),
    ("count", "2.5", "二点五", "two point five"),
    ("money", "12.50", "十二元五角", "twelve yuan and fifty fen"),
    ("money", "12.5", "十二元五角", "twelve yuan and fifty fen"),
    ("money", "12.05", "十二元零五分", "twelve yuan and five fen"),
    ("money", "12.34", "十二元三角四分", "twelve yuan and thirty-four fen"),
    ("money", "3.22", "三元两角二分", "three yuan and twenty-two fen"),
    ("money", "12.00", "十二元", "twelve yuan"),
    ("money", "2", "两元", "two yuan"),
    ("money", "¥2000", "两千元", "two thousand yuan"),
    ("money", "0.20", "两角", "twenty fen"),
    ("money", "0.02", "两分", "two fen"),
    ("money", "0", "零元", "zero yuan"),
    ("money", "-3.25", "负三元两角五分", "minus three yuan and twenty-five fen"),
    ("money", "1,234.5 元", "一千二百三十四元五角", "one thousand two hundred and thirty-four yuan and fifty fen"),
    ("date", "2026-11-22", "二〇二六年十一月二十二日", "November twenty-second, twenty twenty-six"),
    ("date", "2026/1/2", "二〇二六年一月二日", "January second, twenty twenty-six"),
    ("date", "20261231", "二〇二六年十二月三十一日", "December thirty-first, twenty twenty-six"),
    ("date", "2026-11", "二〇二六年十一月", "November twenty twenty-six"),
    ("date", "2024-02-29T08:00:00Z", "二〇二四年二月二十九日", "February twenty-ninth, twenty twenty-four"),
    ("date", "2005-03-20", "二〇〇五年三月二十日", "March twentieth, two thousand and five"),
    ("date", "1905-03-12", "一九〇五年三月十二日", "March twelfth, nineteen oh five"),
    ("date", "1900-03-03", "一九〇〇年三月三日", "March third, nineteen hundred"),
    ("time", "14:05", "下午两点零五分", "two oh five PM"),
    ("time", "02:00", "凌晨两点", "two AM"),
    ("time", "00:30", "凌晨零点三十分", "twelve thirty AM"),
    ("time", "0:00", "凌晨零点", "midnight"),
    ("time", "08:59", "早上八点五十九分", "eight fifty-nine AM"),
    ("time", "11:10:30", "上午十一点十分", "eleven ten AM"),
    ("time", "12:00", "中午十二点", "twelve noon"),
    ("time", "18:00", "晚上六点", "six PM"),
    ("time", "2026-11-22T22:15:00+08:00", "晚上十点十五分", "ten fifteen PM"),
    ("digits", "123456", "幺二三四五六", "one two three four five six"),
    ("digits", "2026110042", "二零二六，幺幺零零，四二", "two zero two six, one one zero zero, four two"),
    ("digits", "ab12", "A B 幺二", "A B one two"),
    ("digits", "SF-1001", "S F，幺零零幺", "S F, one zero zero one"),
    ("phone", "13800138000", "幺三八，零零幺三，八零零零",
     "one three eight, zero zero one three, eight zero zero zero"),
    ("phone", "+86 13800138000", "幺三八，零零幺三，八零零零",
     "one three eight, zero zero one three, eight zero zero zero"),
    ("phone", "4008001234", "四零零，八零零，幺二三四", "four zero zero, eight zero zero, one two three four"),
    ("phone", "4008001234,123456", "四零零，八零零，幺二三四，幺二三四五六",
     "four zero zero, eight zero zero, one two three four, one two three four five six"),
    ("phone", "010-12345678", "零幺零，幺二三四，五六七八", "zero one zero, one two three four, five six seven eight"),
    ("phone", "+1 212", "加幺，二幺二", "plus one, two one two"),
    ("phone", "10086", "幺零零八六", "one zero zero eight six"),
    ("ordinal", "1", "第一", "first"),
    ("ordinal", "2", "第二", "second"),
    ("ordinal", "12", "第十二", "twelfth"),
    ("ordinal", "20", "第二十", "twentieth"),
    ("ordinal", "23", "第二十三", "twenty-third"),
    ("ordinal", "100", "第一百", "one hundredth"),
    ("plain", "12.50", "12.50", "12.50"),
    ("plain", " 已  发货 ", "已 发货", "已 发货"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "value", "chinese", "english"), TABLE)
def test_values_are_read_as_people_say_them(form: str, value: str, chinese: str, english: str) -> None:
    """Both languages, every form."""
    assert (read(value, form, "zh"), read(value, form, "en")) == (chinese, english)


def test_every_form_is_in_the_table() -> None:
    """A new form is not forgotten."""
    assert {form for form, *_ in TABLE} == FORMS
    assert {"zh", "en"} == LANGUAGES


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("number", "twelve"),
        ("number", "1,23"),
        ("number", "1e5"),
        ("number", "9" * 17),
        ("number", "9" * 5000),
        ("number", "٣"),
        ("number", "12\n13"),
        ("count", "many"),
        ("money", "12.345"),
        ("money", "$12"),
        ("money", "免费"),
        ("date", "2026-02-30"),
        ("date", "2026-13-01"),
        ("date", "0000-01-01"),
        ("date", "22.11.2026"),
        ("time", "24:00"),
        ("time", "12:60"),
        ("time", "soon"),
        ("digits", "A/12"),
        ("digits", "订单"),
        ("phone", "ext 12"),
        ("phone", "anonymous"),
        ("ordinal", "0"),
        ("ordinal", "-1"),
        ("ordinal", "1.5"),
        ("number", ""),
        ("money", "   "),
        ("unknown", "12"),
    ],
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_is_no_such_value_is_read_plainly(form: str, value: str, language: str) -> None:
    """A backend's surprise is spoken as it came, and cut when it is endless."""
    assert read(value, form, language) == " ".join(value.split())[:500]


def test_languages_by_region_and_foreign_ones() -> None:
    """zh-CN is Chinese; of a language without words the value is left to the voice."""
    assert read(12, "number", "zh-CN") == "十二"
    assert read(12, "number", "EN-us") == "twelve"
    assert read(12, "number", "de") == "12"


# --- an independent reader of Chinese numerals: the grammar of sections, not the writer's loop turned round ---

_VALUES = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2}
_POWERS = {"十": 10, "百": 100, "千": 1000}


def numeral(said: str) -> int:
    """Return the value of a Chinese numeral, split at its largest unit again and again."""
    for unit, power in (("亿", 10**8), ("万", 10**4)):
        head, found, tail = said.rpartition(unit) if unit == "亿" else said.partition(unit)
        if found:
            return numeral(head) * power + (numeral(tail) if tail else 0)
    total, digit = 0, 0
    for character in said:
        if character in _POWERS:
            total += (digit or 1) * _POWERS[character]
            digit = 0
        else:
            digit = _VALUES[character]
    return total + digit


@given(
    st.one_of(
        st.integers(0, 10**16 - 1),
        st.integers(0, 20_000),
        st.sampled_from([10**n + 10**m for n in range(16) for m in range(16)]),
    )
)
@example(10**16 - 1)
@example(10_001_000_010_000)
def test_a_chinese_number_is_read_back(value: int) -> None:
    """Another reader understands the same number, and the words obey the rules of 零, 二 and 两."""
    said = read(value, "number", "zh")
    assert numeral(said) == value
    assert "零零" not in said
    assert value == 0 or not said.endswith("零")
    assert "两" not in said[1:]
    assert not said.startswith(("一十", "二千", "二万", "二亿", "零一"))
    assert "两百" not in said
    assert "两十" not in said


@given(st.decimals(min_value=Decimal("-999999999.99"), max_value=Decimal("999999999.99"), places=2))
def test_an_amount_is_read_back(value: Decimal) -> None:
    """Yuan, jiao and fen add up to the amount."""
    said = read(str(value), "money", "zh").removeprefix("负")
    yuan, has_yuan, small = said.rpartition("元")
    jiao, has_jiao, fen = small.rpartition("角")
    total = numeral(yuan) * 100 if has_yuan else 0
    total += _VALUES[jiao] * 10 if has_jiao else 0
    total += _VALUES[fen.removesuffix("分").removeprefix("零")] if fen else 0
    assert total == abs(value) * 100


_UP_TO_NINETEEN = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ENGLISH = {word: value for value, word in enumerate(_UP_TO_NINETEEN)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_SCALES = {"trillion": 10**12, "billion": 10**9, "million": 10**6, "thousand": 10**3, "hundred": 100}


def english(words: list[str]) -> int:
    """Return the value of English words, split at the largest scale again and again."""
    for scale, power in _SCALES.items():
        if scale in words:
            at = words.index(scale)
            return english(words[:at]) * power + english(words[at + 1 :])
    return sum(_ENGLISH[word] for word in words if word != "and")


@given(st.one_of(st.integers(0, 10**16 - 1), st.integers(0, 20_000)))
def test_an_english_number_is_read_back(value: int) -> None:
    """Another reader understands the same number."""
    assert english(read(value, "number", "en").replace("-", " ").split()) == value


@given(st.dates())
def test_every_day_is_read_back(day: datetime.date) -> None:
    """Year digit by digit, month and day as numbers."""
    said = read(day.isoformat(), "date", "zh")
    year, _, rest = said.partition("年")
    month, _, of_month = rest.partition("月")
    digits = "".join(str("〇一二三四五六七八九".index(character)) for character in year)
    assert (int(digits), numeral(month), numeral(of_month.removesuffix("日"))) == (day.year, day.month, day.day)


@given(st.times())
def test_every_minute_is_read_back(at: datetime.time) -> None:
    """Part of the day, hour of twelve and minute give the time again."""
    said = read(at.isoformat(timespec="seconds"), "time", "zh")
    hour, _, minute = said[2:].partition("点")
    shift = 12 if said[:2] in ("下午", "晚上") else 0
    assert (numeral(hour) + shift, numeral(minute.removesuffix("分").removeprefix("零") or "零")) == (
        at.hour,
        at.minute,
    )


@given(st.text(alphabet="0123456789", min_size=1, max_size=64), st.sampled_from(["digits", "phone"]))
def test_no_digit_is_lost_or_doubled(value: str, form: str) -> None:
    """Digit by digit, pauses apart, the number is there again."""
    said = read(value, form, "zh").replace("，", "")
    assert "".join(str("零幺二三四五六七八九".index(character)) for character in said) == value


@given(
    st.one_of(st.text(max_size=80), st.text(alphabet="0123456789.,:-+%¥ T/Z年元", max_size=40), st.integers()),
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(["zh", "en", "fr", ""]),
)
def test_nothing_raises(value: str | int, form: str, language: str) -> None:
    """Whatever a backend sends becomes a text of bounded length."""
    assert len(read(value, form, language)) <= 1000
