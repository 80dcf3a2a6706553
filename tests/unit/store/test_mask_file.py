"""Reading a CSV file of bindings: what is taken, what is refused, and that no number is repeated."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from routing.masks import CallbackRule, Policy, RealNumber
from routing.masks.secret import Sealed
from switchboard.store.mask_fields import FieldReader
from switchboard.store.mask_file import BadRow, MaskFileError, decode, read_masks
from switchboard.store.mask_rows import LineRow, MaskRow, binding_of
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


def lines(text: str) -> list[LineRow]:
    """The bindings of X numbers in a file that has nothing else and is all good."""
    found = read_masks(text, fields())
    assert found.bad == []
    return [row for row in found.rows if isinstance(row, LineRow)]


class TestLines:
    """Bindings of X numbers, and rules."""

    def test_a_pair(self) -> None:
        """Both numbers are sealed, and the rules are kept."""
        (row,) = lines(
            "number,kind,a,b,limit,warn,record,consent,idle,direction,shown_to_b,city,store,label,callback_window,"
            "callback_times\n01088880001,axb,13956781234,13900002222,10m,yes,1,是,7d,both,01088880009,北京,Shop 1,Flat,"
            "1d,3\n"
        )
        binding = binding_of(row)
        assert binding.a is not None
        assert binding.b is not None
        assert VAULT.open(binding.a.sealed) == RealNumber("13956781234")
        assert binding.b.fingerprint == VAULT.fingerprint(RealNumber("13900002222"))
        assert binding.policy == Policy(
            limit=600.0, warn=True, record=True, consent=True, idle=604800.0, shown_to_b="01088880009",
            city="北京", store="Shop 1", trunk="carrier", callback=CallbackRule(86400.0, 3),
        )  # fmt: skip
        assert (binding.kind, binding.number, binding.label) == ("axb", "01088880001", "Flat")

    def test_json_lines_are_the_same(self) -> None:
        """Names are the columns; whole numbers, true, false and null are taken."""
        text = (
            '{"number": "01088880001", "kind": "axb", "a": "13956781234", "b": 13900002222, "limit": 600, "warn": true,'
            ' "record": false, "label": null}\n\n{"number": "4008001234", "extension": "7", "target": "aor:alice"}\n'
        )
        pair, extension = read_masks(text, fields()).rows
        assert isinstance(pair, LineRow)
        assert isinstance(extension, MaskRow)
        assert binding_of(pair).policy == Policy(limit=600.0, warn=True, trunk="carrier")
        assert pair.b_fingerprint == VAULT.fingerprint(RealNumber("13900002222"))
        assert extension.key == "4008001234,7"

    def test_owners_and_groups(self) -> None:
        """Each kind takes what belongs to it."""
        ax, axn, axg, soft = lines(
            "number,kind,a,n,group,target,latest\n01088880001,ax,13900001111,,,,\n"
            "01088880002,axn,13900001111,13900002222,,,\n01088880003,axg,13900001111,,support,,\n"
            "01088880004,ax,,,,aor:alice,\n"
        )
        assert (ax.kind, ax.b_sealed, axn.b_sealed is not None, axg.group) == ("ax", None, True, "support")
        assert (soft.target, soft.a_sealed, soft.policy) == ("aor:alice", None, "")

    def test_ids_follow_from_the_people(self) -> None:
        """The same people on the same number have the same id in any spelling, others have others."""
        head = "number,kind,a,b\n"
        rows = [
            lines(head + f"{x},axb,{a},{b}\n")[0].id
            for x, a, b in (
                ("01088880001", "13900001111", "13900002222"),
                ("010-8888 0001", "+86 139 0000 1111", "013900002222"),
                ("01088880001", "13900002222", "13900001111"),
                ("01088880002", "13900001111", "13900002222"),
            )
        ]
        assert rows[0] == rows[1]
        assert len(set(rows)) == 3
        assert rows[0].startswith("axb-")
        assert lines("number,kind,a,b,id\n01088880001,axb,13900001111,13900002222,mine\n")[0].id == "mine"

    def test_rules_of_extensions(self) -> None:
        """An extension may have rules too, and be disabled."""
        (row,) = read("number,extension,target,limit,disabled\n4008001234,1,aor:alice,90s,yes\n").rows
        assert (binding_of(row).policy, row.disabled) == (Policy(limit=90.0), True)

    def test_check_digits(self) -> None:
        """On a number with check digits, an extension without the right one is bad."""
        found = read("number,extension,target\n4009,182,aor:alice\n4009,183,aor:alice\n")
        assert [row.extension for row in found.rows] == ["182"]
        assert [bad.line for bad in found.bad] == [3]

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("x1,axb,13900001111,13900002222", "number: not a telephone number"),
            ("01088880001,abx,13900001111,13900002222", "kind: not one of extension, axb"),
            ("01088880001,axb,1395678x,13900002222", "a: not a telephone number"),
            ("01088880001,ax,13900001111,13956781234", "b belongs to axb"),
            ("01088880001,axb,13900001111,13956781234,5 apples", "limit: not a length of time"),
            ("01088880001,axb,13900001111,13956781234,0", "limit: not a length of time"),
            ("01088880001,axb,13900001111,13956781234,,perhaps", "warn: yes or no"),
            ("01088880001,axb,13900001111,13956781234,,,sideways", "direction: not one of"),
            ("01088880001,axb,13900001111,13956781234,,,,4008001234", "shown_to_a: a 400 or 800 number"),
            ("01088880001,axb,13900001111,13956781234,,,,,1001", "callback_times: not a number"),
            ("01088880001,axb,13900001111,13956781234,,,,,,nobody", "group: no group of that name"),
            ("01088880001,axb,13900001111,13956781234,,,,,,,13956781234", "the id holds the real number"),
            ("01088880001,axb,13900001111,13956781234,,,,,,,,Li 139-5678-1234", "the label holds the real number"),
            ("01088880001,axb,13900001111,13956781234,,,,,,,,,12", "extension: extensions have none of X"),
            ("01088880001,axb,13900001111,13956781234,,,,,,,,,,01088880000", "shown: write shown_to_a"),
            ("01088880001,axb,13900001111,13956781234,,,,,,,,,,,13956781234", "target: neither sip:"),
            ("01088880001,extension,13900001111", "a: belongs to X numbers"),
        ],
    )
    def test_bad_rows(self, row: str, reason: str) -> None:
        """Each is listed with a reason that repeats none of its digits."""
        head = "number,kind,a,b,limit,warn,direction,shown_to_a,callback_times,group,id,label,extension,shown,target\n"
        found = read_masks(head + row + "\n", fields())
        assert found.rows == []
        (bad,) = found.bad
        assert bad.line == 2
        assert bad.reason.startswith(reason)
        assert "5678" not in bad.reason

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ('{"number": 1.5}', "not a JSON object"),
            ('{"number": "13956781234"', "not a JSON object"),
            ("13956781234", "not a JSON object"),
            ('{"nummer": "13956781234"}', "an unknown name; there are number, extension"),
        ],
    )
    def test_bad_lines(self, line: str, reason: str) -> None:
        """A line that is no object, or has names that are not known, is bad, and its text is not repeated."""
        found = read_masks('{"number": "4001", "extension": "1", "target": "aor:alice"}\n' + line, fields())
        assert len(found.rows) == 1
        (bad,) = found.bad
        assert (bad.line, bad.reason.startswith(reason), "5678" in bad.reason) == (2, True, False)

    def test_a_binding_twice(self) -> None:
        """The second one is bad and says where the first is."""
        found = read_masks("number,kind,a\n01088880001,ax,13900001111\n010-88880001,ax,13900001111\n", fields())
        assert [(bad.line, bad.reason) for bad in found.bad] == [(3, "the same binding as in line 2")]

    def test_no_trunk_to_choose(self) -> None:
        """Real numbers of X need a trunk as others do."""
        found = read_masks("number,kind,a\n01088880001,ax,13900001111\n", fields(()))
        assert found.bad[0].reason.startswith("trunk: is missing")
