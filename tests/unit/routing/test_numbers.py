from __future__ import annotations

import pytest

from routing.numbers import MAX_EXTENSION, MAX_TEXT, Number, canonical_number, is_service, normalise

FORMS = [
    ("+8613956781234", "13956781234", "e164"),
    ("8613956781234", "13956781234", "e164"),
    ("008613956781234", "13956781234", "e164"),
    ("013956781234", "13956781234", "e164"),
    ("13956781234", "13956781234", "e164"),
    ("+86013956781234", "13956781234", "e164"),
    ("tel:+86-139-5678-1234", "13956781234", "e164"),
    ("+86 (0)139.5678.1234", "13956781234", "e164"),
    ("%2B8613956781234", "13956781234", "e164"),
    ("01088880000", "01088880000", "e164"),
    ("+861088880000", "01088880000", "e164"),
    ("861088880000", "01088880000", "e164"),
    ("+8601088880000", "01088880000", "e164"),
    ("057188880000", "057188880000", "e164"),
    ("05718888000", "05718888000", "e164"),
    ("4008001234", "4008001234", "service"),
    ("8008101234", "8008101234", "service"),
    ("+864008001234", "4008001234", "service"),
    ("864008001234", "4008001234", "service"),
    ("04008001234", "4008001234", "service"),
    ("0104008001234", "4008001234", "service"),
    ("05714008001234", "4008001234", "service"),
    ("400-800-1234", "4008001234", "service"),
    ("110", "110", "short"),
    ("+86110", "110", "short"),
    ("120", "120", "short"),
    ("12345", "12345", "short"),
    ("10086", "10086", "short"),
    ("+8695588", "95588", "short"),
    ("4001", "4001", "short"),
    ("1001", "1001", "short"),
    ("0", "0", "short"),
    ("+", "+", "name"),
    ("00110", "00110", "short"),
    ("88880000", "88880000", "short"),
    ("1088880000", "1088880000", "short"),
    ("01018880000", "01018880000", "short"),
    ("01012", "01012", "short"),
    ("86123456", "86123456", "short"),
    ("86999999999999", "86999999999999", "short"),
    ("+14155550100", "+14155550100", "e164"),
    ("0014155550100", "+14155550100", "e164"),
    ("+8688880000", "+8688880000", "e164"),
    ("+123", "+123", "short"),
    ("+1234567890123456", "+1234567890123456", "short"),
    ("+0123456789", "+0123456789", "short"),
    ("alice", "alice", "name"),
    ("alice,1", "alice,1", "name"),
    ("*98", "*98", "name"),
    ("#21#", "#21#", "name"),
    ("", "", "name"),
    ("１３９５６７８１２３４", "13956781234", "e164"),
    ("＋８６ 139‑5678‑1234", "13956781234", "e164"),
    ("１３９５６７八", "１３９５６７八", "name"),
    ("爱丽丝", "爱丽丝", "name"),
    ("+86+139", "+86+139", "name"),
    ("1" * (MAX_TEXT + 1), "1" * (MAX_TEXT + 1), "name"),
]

EXTENSIONS = [
    ("4008001234,123456", "123456"),
    ("4008001234,,123456", "123456"),
    ("4008001234,123456#", "123456"),
    ("4008001234,123456##", "123456"),
    ("4008001234,1,,23456", "123456"),
    ("4008001234p123456", "123456"),
    ("4008001234W123456", "123456"),
    ("4008001234x123456", "123456"),
    ("4008001234*123456", "123456"),
    ("4008001234#123456", "123456"),
    ("4008001234,12*34", "12*34"),
    ("4008001234,", ""),
    ("4008001234*", ""),
    ("4008001234;ext=123456", "123456"),
    ("4008001234;EXT=123-456", "123456"),
    ("4008001234;postd=pp123456", "123456"),
    ("4008001234;phone-context=+86;ext=123456", "123456"),
    ("4008001234;isub=99;ext=123456;npdi", "123456"),
    ("4008001234%2C123456%23", "123456"),
    ("+86 400-800-1234;ext=123456", "123456"),
    ("4008001234;ext=", ""),
    ("tel:4008001234;ext=123456;phone-context=+86", "123456"),
    ("4008001234;phone-context=example.com;ext=123456", "123456"),
    ("+864008001234,,123456", "123456"),
    ("0104008001234*123456#", "123456"),
    ("4008001234P123456", "123456"),
    ("4008001234%2c123456", "123456"),
    ("4008001234%2A123456", "123456"),
    ("4008001234%3Bext%3D123456", "123456"),
    ("400-800-1234转123456", "123456"),
    ("400 800 1234 ，１２３４５６", "123456"),
    ("4008001234,1234567", "1234567"),
]


class TestForms:
    """How a number may be written."""

    @pytest.mark.parametrize(("text", "number", "kind"), FORMS)
    def test_form(self, text: str, number: str, kind: str) -> None:
        """Each spelling leads to the one form."""
        assert normalise(text) == Number(number, "", kind)  # type: ignore[arg-type]

    @pytest.mark.parametrize(("text", "extension"), EXTENSIONS)
    def test_extension(self, text: str, extension: str) -> None:
        """What is dialled after the number is its extension."""
        assert normalise(text) == Number("4008001234", extension, "service")

    @pytest.mark.parametrize("tail", [";ext=12a", ",12;ext=a", "," + "1" * (MAX_EXTENSION + 1), ",12@x", ",12\n"])
    def test_bad_extension(self, tail: str) -> None:
        """A number with something after it that nobody can key is no number."""
        assert normalise("4008001234" + tail) == Number("4008001234" + tail)

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("88880000", "01088880000"),
            ("8888000", "8888000"),
            ("86123456", "01086123456"),
            ("98880000", "98880000"),
            ("01088880000", "01088880000"),
            ("10086", "10086"),
            ("13956781234", "13956781234"),
        ],
    )
    def test_own_area(self, text: str, number: str) -> None:
        """Local numbers are completed by the area of the switch, where that gives a number that exists."""
        assert normalise(text, area="10").number == number

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("88880000;phone-context=+8610", "01088880000"),
            ("01088880000;phone-context=+86", "01088880000"),
            ("01088880000;phone-context=+8610", "01088880000"),
            ("13956781234;phone-context=+86", "13956781234"),
            ("4008001234;phone-context=+86", "4008001234"),
            ("110;phone-context=+86", "110"),
            ("4155550100;phone-context=+1", "+14155550100"),
            ("+8613956781234;phone-context=+1", "13956781234"),
            ("008613956781234;phone-context=+1", "13956781234"),
            ("1001;phone-context=example.com", "1001"),
        ],
    )
    def test_phone_context(self, text: str, number: str) -> None:
        """A local number is read within its phone-context."""
        assert normalise(text).number == number

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("02079460000", "+442079460000"),
            ("+442079460000", "+442079460000"),
            ("00442079460000", "+442079460000"),
            ("2079460000", "2079460000"),
            ("999", "999"),
            ("+864008001234", "+864008001234"),
            ("13956781234", "13956781234"),
        ],
    )
    def test_other_country(self, text: str, number: str) -> None:
        """Elsewhere the trunk prefix 0 and the international forms are understood, and no Chinese rule applies."""
        assert normalise(text, country="44").number == number

    def test_hostile_length(self) -> None:
        """A text of many separators is read in linear time, and a long one not at all."""
        assert normalise("1" + "(" * 126).number == "1"
        assert normalise("1" + "," * 100 + "@").kind == "name"


class TestNumber:
    """A number once read."""

    @pytest.mark.parametrize(
        ("number", "national"),
        [
            ("+8613956781234", "13956781234"),
            ("+861088880000", "01088880000"),
            ("+8657188880000", "057188880000"),
            ("4008001234", "4008001234"),
            ("+14155550100", "+14155550100"),
            ("110", "110"),
            ("alice", "alice"),
        ],
    )
    def test_national(self, number: str, national: str) -> None:
        """A Chinese number is dialled without its country code, with 0 where it is a fixed line."""
        assert normalise(number).national == national

    @pytest.mark.parametrize(
        ("number", "international"),
        [
            ("13956781234", "+8613956781234"),
            ("01088880000", "+861088880000"),
            ("057188880000", "+8657188880000"),
            ("4008001234", "4008001234"),
            ("+14155550100", "+14155550100"),
            ("10086", "10086"),
            ("alice", "alice"),
        ],
    )
    def test_international(self, number: str, international: str) -> None:
        """A subscriber's number is written for the world with its country code."""
        assert normalise(number).international == international

    def test_form_of_another_country(self) -> None:
        """Where another country's form is used, a Chinese number has its code, and can still be read as at home."""
        number = normalise("008613956781234", country="44")
        assert (number.number, number.national, number.international) == (
            "+8613956781234",
            "13956781234",
            "+8613956781234",
        )

    @pytest.mark.parametrize(
        "text",
        [
            "4008001234",
            "400-800-1234",
            "+864008001234",
            "0104008001234",
            "8008101234",
            "95588",
            "+8695588",
            "95013123456",
            "96123",
            "01096123",
            "4008001234,123456",
        ],
    )
    def test_service_numbers(self, text: str) -> None:
        """400, 800, 95 and 96 numbers are told in every form."""
        assert is_service(canonical_number(text).partition(",")[0])

    @pytest.mark.parametrize(
        "text",
        [
            "13956781234",
            "01088880000",
            "+861095881234",
            "4001",
            "1001",
            "10086",
            "+14008001234",
            "09557012345",
            "alice",
            "",
        ],
    )
    def test_other_numbers(self, text: str) -> None:
        """Subscribers, internal numbers and foreign ones are no service numbers."""
        assert not is_service(canonical_number(text))

    @pytest.mark.parametrize(
        ("number", "dialled"),
        [(Number("4008001234", "12", "service"), "4008001234,12"), (Number("110", "", "short"), "110")],
    )
    def test_dialled(self, number: Number, dialled: str) -> None:
        """Number and extension fit in one user part."""
        assert number.dialled == dialled

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("13956781234", "Number('139****1234', '', 'e164')"),
            ("88880000", "Number('****0000', '', 'short')"),
            ("1088880000", "Number('10****0000', '', 'short')"),
            ("4008001234,123456", "Number('4008001234', '123456', 'service')"),
            ("110", "Number('110', '', 'short')"),
            ("+8613956781234@x", "Number('****', '', 'name')"),
        ],
    )
    def test_repr(self, text: str, shown: str) -> None:
        """A number that may be a person's is not shown whole."""
        assert repr(normalise(text)) == shown
