"""Samples of a call, counted by part of the program."""

from __future__ import annotations

import pytest

from bench.own import ROOT
from bench.profile_call import KERNEL, PARTS, REST, part_of, shares, with_kernel


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("switchboard/sip/transaction/client.py", "transactions"),
        ("switchboard/sip/render.py", "writing messages"),
        ("switchboard/sip/usual.py", "reading and checking messages"),
        ("switchboard/calls/engine.py", "calls"),
        ("switchboard/signalling.py", "wiring"),
    ],
)
def test_files_belong_to_parts(file: str, expected: str) -> None:
    """The first part that fits, wherever the project is."""
    assert part_of(f"{ROOT}/{file}") == expected
    assert part_of(f"/elsewhere/{file}") == ""


def test_every_part_exists() -> None:
    """No part is named after a file that has gone."""
    assert [begin for begin, _ in PARTS if not (ROOT / begin).exists()] == []


def test_a_sample_counts_for_the_innermost_frame_of_ours() -> None:
    """What a library does for a part counts for the part; what nobody of ours asked for is the loop's."""
    ours = f"look ({ROOT}/switchboard/net/udp.py:3);decide ({ROOT}/switchboard/calls/engine.py:7)"
    found = shares([f"{ours};encode (msgspec/json.py:1) 3", "run (/usr/lib/asyncio/runners.py:44) 1"])
    assert found == {"calls": 0.75, REST: 0.25}
    assert shares([]) == {}


def test_the_kernel_is_a_part_of_the_whole() -> None:
    """A quarter in the kernel leaves three quarters for the others, the largest first."""
    assert list(with_kernel({"calls": 0.8, REST: 0.2}, 3.0, 1.0).items()) == [
        ("calls", pytest.approx(0.6)),
        (KERNEL, 0.25),
        (REST, pytest.approx(0.15)),
    ]
