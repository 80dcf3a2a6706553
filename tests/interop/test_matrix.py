"""The table in README.md: every cell names tests that exist, or a reason that is given."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
TEXT = Path(__file__).with_name("README.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("|") and not line.startswith("|--")
]
TESTS = dict(re.findall(r"^(\d+)\. `(\S+)`$", TEXT, re.MULTILINE))
REASONS = dict(re.findall(r"^- (\w): (.+)", TEXT, re.MULTILINE))
PEERS = {
    "SIPp", "pjsua2", "baresip", "aiovoip", "aiosip", "JsSIP in Chromium", "Kamailio, proxy in front",
    "Kamailio, registrar behind",
}  # fmt: skip


def test_every_cell_is_accounted_for() -> None:
    """By one reason or by tests; none of them is there in vain."""
    head, *rows = ROWS
    assert {row[0] for row in rows} == PEERS
    used: set[str] = set()
    for row in rows:
        assert len(row) == len(head), row
        for cell in row[1:]:
            keys = set(cell.split(", "))
            assert keys <= TESTS.keys() or (len(keys) == 1 and keys <= REASONS.keys()), (row[0], cell)
            used |= keys
    assert used == TESTS.keys() | REASONS.keys()


def test_the_tests_named_exist() -> None:
    """In the file, by the name."""
    for test in TESTS.values():
        file, _, name = test.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (PROJECT / file).read_text(), re.MULTILINE), test
