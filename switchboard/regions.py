"""归属地: the province and city a calling number was issued in, from kept data sets.

The data age, and a number that moved to another carrier or city keeps its first place: what is said is a guess.
Importing this module reads some 60 MB of data, so only a switch whose flows ask for regions does.
"""

from __future__ import annotations

import re
from typing import Final

import phonenumbers
from phonenumbers import geocoder

# "江苏省常州市", "北京市", "广西南宁市"
_PLACE: Final = re.compile(
    r"(?P<province>(?:内蒙古|广西|西藏|宁夏|新疆)(?:自治区)?|[^省]{2,3}省|(?:北京|上海|天津|重庆)市?)(?P<city>.*)"
)
_UNKNOWN: Final = ("", "")


def region_of(number: str) -> tuple[str, str]:
    """Province and city of a Chinese number in clear, without 省 and 市; empty texts where unknown."""
    try:
        parsed = phonenumbers.parse(number, "CN")
    except phonenumbers.NumberParseException:
        return _UNKNOWN
    if parsed.country_code != 86:
        return _UNKNOWN
    found = _PLACE.match(geocoder.description_for_number(parsed, "zh"))
    if found is None:
        return _UNKNOWN
    province = found["province"].removesuffix("自治区").removesuffix("省").removesuffix("市")
    city = found["city"].removesuffix("市") or province
    return province, city
