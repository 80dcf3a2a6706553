"""CPU and memory of a process tree, read from a made-up /proc."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.cpu import CpuMeter, command_of, cpu_seconds, descendants, read_process, resident_mb, short_name

TICK = 1 / os.sysconf("SC_CLK_TCK")


def process(proc: Path, pid: int, parent: int, times: str = "1 2 3 4", name: str = "x") -> None:
    """One process with its user, system and reaped children's times."""
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} 0 0 0 0 0 0 0 0 0 {times} 20 0 1 0\n")
    (proc / str(pid) / "statm").write_text(f"999 {pid} 0 0 0 0 0\n")
    (proc / str(pid) / "cmdline").write_bytes(b"python\0-m\0thing\0")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A supervisor 10 with children 11 and 12, a grandchild 13, and a stranger 20."""
    process(tmp_path, 10, 1)
    process(tmp_path, 11, 10, "100 0 0 0", name="odd) S (name")
    process(tmp_path, 12, 10, "0 0 50 50")
    process(tmp_path, 13, 11, "1000 0 0 0")
    process(tmp_path, 20, 1, "9999 9999 9999 9999")
    (tmp_path / "uptime").write_text("1 1")
    return tmp_path


def test_the_tree_is_found_without_strangers(proc: Path) -> None:
    """Children and grandchildren belong to the root, whatever their names look like."""
    assert set(descendants([10], proc)) == {10, 11, 12, 13}
    assert set(descendants([11], proc)) == {11, 13}
    assert descendants([99], proc) == {}


def test_own_and_reaped_time_is_summed(proc: Path) -> None:
    """User and system time count, of the living and of the reaped."""
    assert cpu_seconds([10], proc) == pytest.approx((10 + 100 + 100 + 1000) * TICK)
    assert cpu_seconds([12], proc) == pytest.approx(100 * TICK)


def test_a_process_that_has_gone_is_nothing(proc: Path) -> None:
    """Reading a vanished process is no error."""
    assert read_process(99, proc) is None
    assert command_of(99, proc) == ""
    assert command_of(10, proc) == "python -m thing"


def test_memory_of_each_process(proc: Path) -> None:
    """Pages become megabytes."""
    assert resident_mb([12], proc) == {12: 12 * os.sysconf("SC_PAGE_SIZE") / 1e6}


def test_a_window_is_interpolated_between_samples() -> None:
    """CPU time between two moments lies on the line between the samples."""
    meter = CpuMeter((1,), [(100.0, 5.0), (102.0, 7.0), (104.0, 17.0)])
    assert meter.used() == 12.0
    assert meter.used(101.0, 103.0) == pytest.approx(6.0)
    assert meter.used(0.0, 999.0) == 12.0


def test_each_process_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The busiest comes first by its module's name, an idle one is left out, a new one counts from nought."""
    names = {1: "python -m switchboard.signalling --x", 2: "/usr/bin/kamailio -f y", 3: "python -m media.worker"}
    monkeypatch.setattr("bench.cpu.command_of", names.__getitem__)
    meter = CpuMeter((1,), first={1: 5.0, 2: 1.0}, last={1: 6.0, 2: 1.0, 3: 2.5})
    assert meter.shares() == "media.worker 2.50 s, switchboard.signalling 1.00 s"
    assert short_name(names[2]) == "kamailio"
    assert short_name("") == "?"


def test_without_samples_there_is_no_figure() -> None:
    """A meter without a process measures nothing instead of nought."""
    meter = CpuMeter(())
    meter.sample()
    meter.sample()
    assert meter.used() is None


def test_this_process_costs_something() -> None:
    """The real /proc has this process in it."""
    meter = CpuMeter((os.getpid(),))
    meter.sample()
    assert meter.samples[0][1] > 0
