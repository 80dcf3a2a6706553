"""Regions of numbers: from kept data and the operator's file; what is unknown is said to be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from switchboard import region_tables
from switchboard import regions as module
from switchboard.mobile_blocks import MobileBlocks, packaged_file
from switchboard.region_file import RegionFileError, read_overrides
from switchboard.region_tables import TablesError
from switchboard.regions import NATIONWIDE, UNKNOWN, Region, Regions, region_of, split_place

Write = Callable[[str], Path]


@pytest.fixture(scope="module")
def regions() -> Regions:
    """The kept data alone."""
    regions = Regions()
    regions.load()
    assert regions.faults == []
    return regions


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes the operator's file."""

    def write(text: str) -> Path:
        path = tmp_path / "regions.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("number", "region"),
    [
        ("13912345678", Region("江苏", "常州", "中国移动")),
        ("+8613912345678", Region("江苏", "常州", "中国移动")),
        ("008613912345678", Region("江苏", "常州", "中国移动")),
        ("139 1234 5678", Region("江苏", "常州", "中国移动")),
        ("19912345678", Region("河北", "唐山", "中国电信")),
        ("16512345678", Region("北京", "北京", "中国移动（虚拟运营商）")),
        ("057187654321", Region("浙江", "杭州")),
        ("+8657187654321", Region("浙江", "杭州")),
        ("01062345678", Region("北京", "北京")),
        ("075523456789", Region("广东", "深圳")),
        ("02885123456", Region("四川", "成都、资阳、眉山")),
        ("07103123456", Region("湖北", "襄阳")),
        ("4008001234", NATIONWIDE),
        ("8008101234", NATIONWIDE),
        ("+14155552671", Region("美国")),
        ("+14165552671", Region("加拿大")),
        ("+12425551234", Region("巴哈马")),
        ("+442079460018", Region("英国")),
        ("+79161234567", Region("俄罗斯")),
        ("+77012345678", Region("哈萨克斯坦")),
        ("+85221234567", Region("香港")),
        ("+886912345678", Region("台湾地区")),
        ("+6852123456", UNKNOWN),
        ("+2101234567", UNKNOWN),
        ("14112345678", UNKNOWN),
        ("95588", UNKNOWN),
        ("110", UNKNOWN),
        ("alice", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_regions_of_numbers(regions: Regions, number: str, region: Region) -> None:
    """Mobile and fixed numbers however they are written, services, foreign numbers by country, and what is unknown."""
    assert regions.lookup(number) == region
    assert regions.place(number) == region[:2]


def test_a_block_that_was_not_issued_has_a_carrier_alone() -> None:
    """Where only the beginning of a number tells its carrier, the place is not guessed."""
    regions = Regions()
    regions._carriers = {"139": "中国移动"}
    assert regions.lookup("13912345678") == Region(carrier="中国移动")


def test_nothing_is_known_before_loading() -> None:
    """A call that comes early has a region that is not known."""
    assert Regions().lookup("13912345678") == UNKNOWN


def test_it_takes_little_memory() -> None:
    """Loaded in a fresh process, the data take less than 4 MB, and none of the large modules are read."""
    program = """
import sys
from switchboard.regions import Regions
def resident(): return int(open('/proc/self/statm').read().split()[1]) * 4
before = resident()
regions = Regions()
regions.load()
for middle in range(10_000):
    regions.lookup(f"139{middle:04d}0000")
print(resident() - before, 'phonenumbers' in sys.modules, regions.counts()['remembered'])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    kilobytes, read, remembered = done.stdout.split()
    assert int(kilobytes) < 10_000
    assert (read, remembered) == ("False", "8192")


def test_the_operators_file_wins_by_the_longest_prefix(written: Write) -> None:
    """What it leaves empty is as the data say, also of services and abroad."""
    path = written(
        "prefix,province,city,carrier\n# ours\n\n139,,,某公司\n13912345678,浙江,义乌,\n1391234,甲,乙,丙\n"
        "+86 0571,浙江省,杭州市,\n4008001234,上海,上海,中国电信\n+1415,美国,旧金山,\n1415,x,y,z\n"
    )
    regions = Regions(path)
    regions.load()
    assert regions.counts()["overrides"] == 7
    wanted = {
        "13912345678": Region("浙江", "义乌", "中国移动"),
        "13912345679": Region("甲", "乙", "丙"),
        "13999999999": Region("新疆", "乌鲁木齐", "某公司"),
        "057187654321": Region("浙江省", "杭州市"),
        "4008001234": Region("上海", "上海", "中国电信"),
        "4008001235": NATIONWIDE,
        "+14155552671": Region("美国", "旧金山"),
        "+14165552671": Region("加拿大"),
    }
    assert {number: regions.lookup(number) for number in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("139,a,b,c\n139,a,b,c\n", ":2: prefix 139 is already in the file"),
        ("139,a,b\n", ":1: expected prefix,province,city,carrier, found 3 columns"),
        ("# x\n13x,a,b,c\n", ":2: '13x' is not the beginning of a number"),
        ("139,,,\n", ":1: prefix 139 has no province, city or carrier"),
        (f"139,{'a' * 65},b,c\n", ":1: a text is longer than 64 characters"),
        ('139,"a\n', ":1: unexpected end of data"),
    ],
)
def test_what_is_wrong_with_a_file(written: Write, text: str, says: str) -> None:
    """A wrong line is named with its file and number."""
    path = written(text)
    with pytest.raises(RegionFileError) as caught:
        read_overrides(path)
    assert str(caught.value) == f"{path}{says}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """No file, and a file in another encoding, are named."""
    path = tmp_path / "none.csv"
    with pytest.raises(RegionFileError, match=r"none\.csv: cannot be read"):
        read_overrides(path)
    path.write_bytes("139,浙江,杭州,\n".encode("gbk"))
    with pytest.raises(RegionFileError, match="is not in UTF-8"):
        read_overrides(path)


def test_too_many_rows(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has a bound."""
    monkeypatch.setattr("switchboard.region_file.MAX_ROWS", 1)
    with pytest.raises(RegionFileError, match=":2: more than 1 prefixes"):
        read_overrides(written("139,a,b,c\n138,a,b,c\n"))


def test_a_wrong_file_changes_nothing(written: Write) -> None:
    """Loaded again the file counts as it is now, and as it was while it is wrong."""
    path = written("1391234,甲,乙,丙\n")
    regions = Regions(path)
    regions.load()
    path.write_text("139,a\n")
    with pytest.raises(RegionFileError):
        regions.load()
    assert regions.lookup("13912345678") == Region("甲", "乙", "丙")
    path.write_text("1391234,a,b,c\n")
    regions.load()
    assert regions.lookup("13912345678") == Region("a", "b", "c")


def test_missing_data_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without its data it knows nothing, says why and does not fail."""

    def none() -> None:
        raise TablesError("the tables of areas and countries cannot be made (TimeoutExpired)")

    monkeypatch.setattr(module, "read_tables", none)
    monkeypatch.setattr(module, "packaged_file", lambda: None)
    regions = Regions()
    regions.load()
    assert [fault.split(" ")[1] for fault in regions.faults] == ["package", "tables"]
    assert regions.lookup("13912345678") == UNKNOWN
    (tmp_path / "phone.dat").write_bytes(b"2312\x10\x00\x00\x00????????")
    monkeypatch.setattr(module, "packaged_file", lambda: tmp_path / "phone.dat")
    regions.load()
    assert "is not a file of mobile blocks" in regions.faults[0]


def test_tables_are_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is kept is read again; what cannot be read is made anew, and a place that cannot be written is no matter."""
    place = tmp_path / "kept" / "tables.msgpack"
    monkeypatch.setattr(region_tables, "_place", lambda: place)
    first = region_tables.read_tables()
    assert first.areas["10"]
    with monkeypatch.context() as patch:
        patch.setattr(region_tables.subprocess, "run", lambda *words, **how: pytest.fail("made again"))
        assert region_tables.read_tables() == first
    place.write_bytes(b"nonsense")
    assert region_tables.read_tables() == first
    monkeypatch.setattr(region_tables, "_place", lambda: place / "below" / "a file")
    assert region_tables.read_tables() == first


def test_the_first_and_the_last_block() -> None:
    """The search finds the ends of the file and nothing beyond them."""
    path = packaged_file()
    assert path is not None
    blocks = MobileBlocks(path)
    assert (blocks.version, len(blocks)) == ("2312", 499527)
    assert blocks.find("1300000") is not None
    assert blocks.find("1999979") is not None
    assert blocks.find("1000000") is None
    assert blocks.find("1999980") is None
    blocks.close()


def test_blocks_are_as_their_package_reads_them() -> None:
    """Every 211th possible block has the place that the package's own reader finds, or none."""
    theirs = pytest.importorskip("phone").Phone()
    path = packaged_file()
    assert path is not None
    blocks = MobileBlocks(path)
    for digits in range(1290000, 2000000, 211):
        block, found = blocks.find(str(digits)), theirs.find(digits)
        assert (None if block is None else block[:2]) == (found and (found["province"], found["city"]))
    blocks.close()


def test_places_are_split() -> None:
    """Provinces and autonomous regions with several cities or none."""
    assert split_place("内蒙古自治区呼和浩特市") == Region("内蒙古", "呼和浩特")
    assert split_place("四川甘孜") == Region("四川", "甘孜")
    assert split_place("北京市") == Region("北京", "北京")
    assert split_place("中国") == UNKNOWN


def test_one_shared_look_up() -> None:
    """The function of the flows reads the data at its first call."""
    assert region_of("13912345678") == ("江苏", "常州")
