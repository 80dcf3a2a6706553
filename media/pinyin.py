"""Chinese text as pinyin with tone numbers, which the synthesiser reads more surely than characters."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from pypinyin import Style, lazy_pinyin, load_phrases_dict
from pypinyin.seg.mmseg import seg

#: Phrases of the telephone that a general dictionary reads otherwise.
_PHRASES: Final = {
    "重听": "chóng tīng",
    "重播": "chóng bō",
    "重拨": "chóng bō",
    "重输": "chóng shū",
    "较长": "jiào cháng",
    "很长": "hěn cháng",
    "多长": "duō cháng",
    "时长": "shí cháng",
    "拨打的": "bō dǎ de",
    "对方": "duì fāng",
    "输入": "shū rù",
    "人工": "rén gōng",
    "来电": "lái diàn",
}

_PAUSES: Final = str.maketrans({
    "，": ", ", "、": ", ", "；": "; ", "：": ", ", "。": ". ", "？": "? ", "！": "! ", "…": ". ",
    "（": ", ", "）": ", ", "《": " ", "》": " ", "“": " ", "”": " ", "‘": " ", "’": " ", "·": " ", "—": ", ",
})  # fmt: skip

# A phone's keypad and price tags: signs that are words.
_SIGNS: Final = {"#": "井", "*": "星", "%": "百分号", "+": "加", "@": "at", "＃": "井", "＊": "星", "％": "百分号"}

_is_word = re.compile(r"[㐀-鿿〇]+").fullmatch
# 一 before what is counted rises or falls, unless it ends a larger number or is an ordinal.
_ONE: Final = re.compile(r"(?<![第十〇零二三四五六七八九幺一])一(?=[百千万亿个次位元块角分点小天条张件层间人名份])")
_LAST_ONE: Final = re.compile(r"(?<=[第十〇零二三四五六七八九幺])一")
_NOT: Final = re.compile(r"不(?=.)")


def spoken(text: str) -> str:
    """Return text with its Chinese as pinyin; what is neither is spelt or left as it is.

    >>> spoken("您好，请按一。")
    'nin2 hao3, qing3 an4 yi1.'
    """
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = text.translate(_PAUSES)
    parts = []
    for word in re.findall(r"[㐀-鿿〇]+|[A-Za-z]+|[^㐀-鿿〇A-Za-z]+", text):
        if _is_word(word):
            parts.append(_chinese(word))
        elif word.isalpha():
            parts.append(" ".join(word.upper()))
        else:
            parts.append(word)
    return re.sub(r"\s+(?=[,;.?!]|\s|$)", "", " ".join(parts)).strip()


def _chinese(text: str) -> str:
    """Return a run of characters as syllables, those of a word joined."""
    _extend_dictionary()
    words = [word for word in seg.cut(text) if word]
    groups = [lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, errors="ignore") for word in words]
    _change_tones(text, groups)
    return " ".join("".join(group) for group in groups if group)


def _change_tones(text: str, groups: list[list[str]]) -> None:
    """Give 一 and 不 the tones they have before others; third tones are left to the synthesiser."""
    places = [(group, index) for group in groups for index in range(len(group))]
    if len(places) != len(text):
        return
    for found in _LAST_ONE.finditer(text):
        group, index = places[found.start()]
        group[index] = "yi1"
    ones = {found.start() for found in _ONE.finditer(text)}
    nots = {found.start() for found in _NOT.finditer(text)}
    for at in ones | nots:
        following, index = places[at + 1]
        fourth = following[index].endswith("4") or text[at + 1] == "个"
        group, index = places[at]
        if at in ones:
            group[index] = "yi2" if fourth else "yi4"
        else:
            group[index] = "bu2" if fourth else "bu4"


@cache
def _extend_dictionary() -> None:
    """Teach the dictionary the telephone's phrases, once."""
    load_phrases_dict({phrase: [[syllable] for syllable in said.split()] for phrase, said in _PHRASES.items()})
    seg.train(iter(_PHRASES))
