"""Values in Chinese words, as said on the telephone in Putonghua.

二 and 两: 两 stands before a measure word (两元, 两点, 两位) and as the head of a number before 千, 万 and 亿; 二
stands before 百, inside numbers, in dates and in digits. Digits say 幺 for 1, in telephone and in order numbers
alike: on the telephone 一 is mistaken for 七.
"""

from __future__ import annotations

from typing import Final

from ivr_flows.reading.values import Date, Number, Time

_DIGITS: Final = "零一二三四五六七八九"
_YEAR_DIGITS: Final = "〇一二三四五六七八九"
_TELEPHONE_DIGITS: Final = "零幺二三四五六七八九"
_UNITS: Final = ("", "十", "百", "千")
_SECTIONS: Final = ("", "万", "亿", "万亿")
#: Until which hour, exclusive, a part of the day lasts.
_PARTS_OF_DAY: Final = ((6, "凌晨"), (9, "早上"), (12, "上午"), (13, "中午"), (18, "下午"), (24, "晚上"))


def whole(value: int) -> str:
    """Return a whole number from 0 to 9999万亿, with 两 at its head where people say so.

    >>> whole(1005), whole(10010), whole(20000)
    ('一千零五', '一万零一十', '两万')
    """
    if value == 0:
        return "零"
    said, pending = "", False
    for index in reversed(range(len(_SECTIONS))):
        part = value // 10 ** (4 * index) % 10000
        if part == 0:
            pending = bool(said)
            continue
        if said and (pending or part < 1000):
            said += "零"
        said += _section(part) + _unit(value, index)
        pending = False
    said = said.removeprefix("一") if said.startswith("一十") else said
    return "两" + said[1:] if said.startswith(("二千", "二万", "二亿")) else said


def _unit(value: int, index: int) -> str:
    """Return a section's unit; 亿 is said once, after the last section it stands for."""
    if index == 3 and value // 10**8 % 10000:
        return "万"
    return _SECTIONS[index]


def _section(value: int) -> str:
    """Return a number from 1 to 9999 with 零 for the zeros within."""
    said, zero = "", False
    for index in reversed(range(4)):
        digit = value // 10**index % 10
        if digit == 0:
            zero = bool(said)
            continue
        said += ("零" if zero else "") + _DIGITS[digit] + _UNITS[index]
        zero = False
    return said


class _Chinese:
    """How Chinese says each kind of value."""

    def number(self, value: Number) -> str:
        """二, 一千零五, 三点一四, 负三, 百分之十二."""
        said = whole(value.whole)
        if value.fraction:
            said += "点" + _each(value.fraction, _DIGITS)
        return ("负" if value.negative else "") + ("百分之" if value.percent else "") + said

    def count(self, value: Number) -> str:
        """两, 十二, 一百零二: the number before 位, 个, 次."""
        return "两" if value == Number(False, 2) else self.number(value)

    def money(self, value: Number) -> str:
        """十二元五角, 两元, 三角两分, 零元."""
        jiao, fen = int(value.fraction[:1] or 0), int(value.fraction[1:2] or 0)
        said = ""
        if value.whole or not (jiao or fen):
            said = _counted(value.whole) + "元"
        if jiao:
            said += _counted(jiao) + "角"
        elif fen and said:
            said += "零"
        if fen:
            said += ("二" if fen == 2 and said else _counted(fen)) + "分"
        return ("负" if value.negative else "") + said

    def date(self, value: Date) -> str:
        """二〇二六年十一月二十二日."""
        said = f"{_each(f'{value.year:04}', _YEAR_DIGITS)}年{whole(value.month)}月"
        return said + (f"{whole(value.day)}日" if value.day else "")

    def time(self, value: Time) -> str:
        """下午两点零五分, 中午十二点, 凌晨零点三十分."""
        part = next(name for until, name in _PARTS_OF_DAY if value.hour < until)
        hour = _counted(value.hour if value.hour <= 12 else value.hour - 12)
        if value.minute == 0:
            return f"{part}{hour}点"
        return f"{part}{hour}点{'零' if value.minute < 10 else ''}{whole(value.minute)}分"

    def digits(self, groups: list[str]) -> str:
        """幺三八，零零幺三，八零零零; letters stay and are spelt by the voice."""
        return "，".join(" ".join(_each(group.upper(), _TELEPHONE_DIGITS).split()) for group in groups)

    def ordinal(self, value: int) -> str:
        """第一, 第二, 第十二, 第两千."""
        return "第" + whole(value)


WORDS: Final = _Chinese()


def _counted(value: int) -> str:
    """Return a whole number before a measure word."""
    return "两" if value == 2 else whole(value)


def _each(text: str, digits: str) -> str:
    """Return digits one by one; a letter stands apart."""
    return "".join(digits[int(sign)] if sign.isdigit() else f" {sign} " if sign.isalpha() else "加" for sign in text)
