"""Reading a CSV file of bindings: what is taken, what is refused, and that no number is repeated."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from routing.masks import RealNumber
from routing.masks.secret import Sealed
from switchboard.store.mask_fields import FieldReader
from switchboard.store.mask_file import BadRow, MaskFileError, decode, read_masks
from switchboard.store.mask_rows import MaskRow
from tests.support.masks import fixed_vault

VAULT = fixed_vault()
HEAD = "number,extension,target,trunk,shown,expires,label\n"


class Read(NamedTuple):
    """A file that holds extensions only."""

    rows: list[MaskRow]
    lines: dict[str, int]
    bad: list[BadRow]


def fields(trunks: tuple[str, ...] = ("carrier",)) -> FieldReader:
    """At microsecond 7 with one trunk, one account and one group; extensions of 4009 end with a check digit."""
    return FieldReader(VAULT, trunks=trunks, accounts=["alice"], groups=["support"], checks={"4009": "luhn"}, now_us=7)


def read(text: str, *, trunks: tuple[str, ...] = ("carrier",)) -> Read:
    """The file with the bindings of extensions in it."""
    found = read_masks(text, fields(trunks))
    assert all(isinstance(row, MaskRow) for row in found.rows)
    return Read([row for row in found.rows if isinstance(row, MaskRow)], found.lines, found.bad)


@pytest.fixture
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC+8."""
    monkeypatch.setenv("TZ", "UTC-8")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class TestGoodRows:
    """What a row becomes."""

    def test_a_real_number_is_sealed(self) -> None:
        """The row has the number sealed and fingerprinted, and everything else as written."""
        found = read(HEAD + "400-800-1234,345678,+86 139 5678 1234,carrier,010-88880000,,Flat 3\n")
        assert found.bad == []
        (row,) = found.rows
        assert (row.number, row.extension, row.kind, row.target) == ("4008001234", "345678", "number", "")
        assert VAULT.open(Sealed(row.sealed or b"")) == RealNumber("13956781234")
        assert row.fingerprint == VAULT.fingerprint(RealNumber("13956781234"))
        assert (row.trunk, row.shown, row.label) == ("carrier", "01088880000", "Flat 3")
        assert (row.disabled, row.expires_us, row.created_us, row.updated_us) == (False, None, 7, 7)

    @pytest.mark.parametrize(
        ("cells", "kind", "target"),
        [("sip:1@host", "sip", "sip:1@host"), ("aor:alice", "aor", "alice"), ("AOR:alice@d", "aor", "alice@d")],
    )
    def test_other_targets_are_kept_open(self, cells: str, kind: str, target: str) -> None:
        """SIP and softphone targets need no trunk, and one that is given is dropped."""
        (row,) = read(HEAD + f"4008001234,1,{cells},carrier,,,\n").rows
        assert (row.kind, row.target, row.sealed, row.trunk) == (kind, target, None, "")

    def test_the_only_trunk_need_not_be_named(self) -> None:
        """With one trunk in the configuration the column may be left out, and shown as well."""
        (row,) = read("number,extension,target\n4008001234,1,13956781234\n").rows
        assert (row.trunk, row.shown) == ("carrier", "")

    def test_leading_zeros_of_extensions_stay(self) -> None:
        """000123 is another extension than 123."""
        found = read("number,extension,target\n4008001234,000123,aor:alice\n4008001234,１２３,aor:alice\n")
        assert [row.extension for row in found.rows] == ["000123", "123"]

    def test_columns_in_any_order(self) -> None:
        """Names decide, capital letters and spaces do not matter."""
        (row,) = read(" Label,TARGET,Extension ,number\nx,aor:alice,12,4001\n").rows
        assert (row.label, row.target, row.extension, row.number) == ("x", "alice", "12", "4001")

    @pytest.mark.parametrize("separator", [";", "\t"])
    def test_other_separators(self, separator: str) -> None:
        """Spreadsheets that write semicolons or tabs are read."""
        text = "number,extension,target\n4001,12,aor:alice\n".replace(",", separator)
        assert len(read(text).rows) == 1

    def test_empty_and_short_lines(self) -> None:
        """Empty lines are passed over, missing cells at the end are empty."""
        found = read(HEAD + "\n,,,\n4001,12,aor:alice\r\n\r\n4001,13,aor:alice,,,,,,\n")
        assert (len(found.rows), found.bad) == (2, [])
        assert found.lines == {"4001,12": 4, "4001,13": 6}

    @pytest.mark.usefixtures("shanghai")
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("2026-12-31", 1_798_732_800),
            ("2026/12/31", 1_798_732_800),
            ("2027-01-01 00:00", 1_798_732_800),
            ("2026-12-31 16:00+00:00", 1_798_732_800),
            ("2026-12-31T18:00:30", 1_798_711_230),
        ],
    )
    def test_expiry(self, text: str, seconds: int) -> None:
        """A day ends at its midnight, a time is local unless it says otherwise."""
        (row,) = read(HEAD + f"4001,12,aor:alice,,,{text},\n").rows
        assert row.expires_us == seconds * 1_000_000

    def test_progress_tells_lines(self) -> None:
        """Every thousand lines are told."""
        seen: list[int] = []
        read_masks(HEAD + "".join(f"4001,{n},aor:alice\n" for n in range(2500)), fields(), seen.append)
        assert seen == [1000, 2000]


BAD = [
    (",1,aor:alice", "number: is missing"),
    ("40x,1,aor:alice", "number: not a telephone number"),
    ("4001,,aor:alice", "an extension is one to six digits"),
    ("4001,1234567,aor:alice", "an extension is one to six digits"),
    ("4001,12a,aor:alice", "an extension is one to six digits"),
    ("4001,1,", "target: is missing"),
    ("4001,1,13956781234x", "target: neither a telephone number"),
    ("4001,1,139567812341395678123413956781234", "target: neither a telephone number"),
    ("4001,1,sip:13956781234@host", "target: a SIP URI with a real number"),
    ("4001,1,sip:a b", "target: not a SIP URI"),
    ("4001,1,aor:carol", "target: no account of that name"),
    ("4001,1,aor:13956781234", "target: a softphone account that is a real number"),
    ("4001,1,13956781234,other", r"trunk: not in the configuration with 'to' \(known: carrier\)"),
    ("4001,1,13956781234,carrier,4008001234", "shown: a 400 or 800 number"),
    ("4001,1,13956781234,carrier,800-820-0000", "shown: a 400 or 800 number"),
    ("4001,1,13956781234,carrier,4001", "shown: a 400 or 800 number, or the number that is dialled"),
    ("4001,1,13956781234,carrier,x", "shown: not a telephone number"),
    ("4001,1,aor:alice,,,31.12.2026", "expires: not a date"),
    ("4001,1,aor:alice,,,2026-02-30", "expires: not a date"),
    ("4001,1,aor:alice,,,9999-12-31", "expires: not a date"),
    ("4001,1,aor:alice,,,," + "x" * 65, "the label is longer"),
    ("4001,1,13956781234,,,,Li 139 5678 1234", "the label holds the real number"),
    ("4001,1,+86 139 5678 1234,,,,(+86)13956781234", "the label holds the real number"),
    ("4001,1,01088880000,,,,010-8888 0000", "the label holds the real number"),
    ("4001,1,aor:alice,,,,x,13956781234", "more cells than columns"),
]


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_bad_rows(row: str, reason: str) -> None:
    """Each is listed with its line and a reason that repeats none of its digits."""
    found = read(HEAD + "4001,99,aor:alice\n" + row + "\n")
    assert [row.extension for row in found.rows] == ["99"]
    (bad,) = found.bad
    assert bad.line == 3
    assert re.match(reason, bad.reason)
    assert "5678" not in bad.reason


def test_no_trunk_to_choose() -> None:
    """Without exactly one trunk each real number must name its own."""
    row = "number,extension,target\n4001,1,13956781234\n"
    for trunks in ((), ("a", "b")):
        assert read(row, trunks=trunks).bad[0].reason.startswith("trunk: is missing")


def test_duplicates_in_the_file() -> None:
    """The second row for an extension is bad and says where the first one is."""
    found = read("number,extension,target\n4001,1,aor:alice\n4002,1,aor:alice\n400-1,1,sip:b@h\n")
    assert [(bad.line, bad.reason) for bad in found.bad] == [(4, "the same number and extension as in line 2")]


def test_broken_quotes() -> None:
    """A stray quote is a bad row, and reading goes on behind it."""
    found = read('number,extension,target\n4001,"1"x,aor:alice\n4001,2,aor:alice\n')
    assert [(bad.line, "quote" in bad.reason) for bad in found.bad] == [(2, True)]
    assert [row.extension for row in found.rows] == ["2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("4008001234,1,13956781234\n", "does not begin with the names of the columns"),
        ("number,extension\n", "does not begin with the names of the columns"),
        ("number,extension,target,13956781234\n", "column 4 is not known"),
        ("number,extension,target,label,label\n", "names a column twice"),
    ],
)
def test_files_that_are_no_bindings(text: str, reason: str) -> None:
    """The file as a whole is refused, and its text is not repeated."""
    with pytest.raises(MaskFileError, match=reason) as caught:
        read(text)
    assert "5678" not in str(caught.value)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_codings(coding: str) -> None:
    """What spreadsheets write in China is read."""
    text = HEAD + "4001,1,aor:alice,,,,经纪人\n"
    assert decode(text.encode(coding)) == text


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"number\xff\xff"])
def test_bytes_that_are_no_text(data: bytes) -> None:
    """Other bytes are refused with advice."""
    with pytest.raises(MaskFileError, match="save it as CSV UTF-8"):
        decode(data)
