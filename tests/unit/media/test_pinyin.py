"""Chinese text as the synthesiser is given it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.pinyin import spoken


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        ("您好，请按一。", "nin2 hao3, qing3 an4 yi1."),
        ("没有这个分机，请重新输入。", "mei2you3 zhe4ge5 fen1ji1, qing3 chong2xin1 shu1ru4."),
        ("重听请按星号", "chong2ting1 qing3 an4 xing1hao4"),
        ("您拨打的号码", "nin2 bo1da3de5 hao4ma3"),
        ("等待时间较长", "deng3dai4 shi2jian1 jiao4chang2"),
        ("幺三八〇", "yao1 san1 ba1 ling2"),
    ],
)
def test_characters_become_syllables_with_tones(text: str, syllables: str) -> None:
    """Words are joined, pauses kept, and a character of several readings is read as the phrase wants."""
    assert spoken(text) == syllables


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        ("一次", "yi2 ci4"),
        ("第一次", "di4 yi1 ci4"),
        ("一百", "yi4bai3"),
        ("一万", "yi2 wan4"),
        ("一个", "yi2ge4"),
        ("一千零一元", "yi4 qian1 ling2 yi1 yuan2"),
        ("十一点", "shi2yi1dian3"),
        ("二〇二一年", "er4 ling2 er4 yi1 nian2"),
        ("请按一", "qing3 an4 yi1"),
        ("不对", "bu2dui4"),
        ("不好", "bu4hao3"),
        ("要不", "yao4bu4"),
    ],
)
def test_one_and_not_change_their_tones(text: str, syllables: str) -> None:
    """一 and 不 rise before a falling tone; in numbers and ordinals 一 stays level."""
    assert spoken(text).replace(" ", "") == syllables.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        ("AB号", "A B hao4"),
        ("wifi", "W I F I"),
        ("按#", "an4 jing3"),
        ("按＊", "an4 xing1"),
        ("12 号", "12 hao4"),
        ("", ""),
    ],
)
def test_letters_and_signs(text: str, syllables: str) -> None:
    """Letters are spelt, signs of the keypad are words, figures are left to the synthesiser."""
    assert spoken(text) == syllables


@given(st.text(max_size=40))
def test_any_text_can_be_given(text: str) -> None:
    """No character leads to an exception, and none of Chinese is left."""
    assert not any("㐀" <= character <= "鿿" for character in spoken(text))
