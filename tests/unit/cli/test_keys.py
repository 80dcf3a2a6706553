"""`switchboard keys`: list, add, reseal, on a store and on a running switch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from switchboard.keys_cli import app
from switchboard.store.mask_editor import MaskEditor
from switchboard.store.masks import MaskRepository
from tests.support.masks import number_row
from tests.unit.cli.conftest import MARKED, World


def listed(world: World) -> list[tuple[int, int, bool]]:
    """Id, how much is sealed, and whether it seals, of each key."""
    keys = json.loads(world.run(app, "list", "--format", "json").output)
    return [(key["id"], key["sealed"], key["active"]) for key in keys]


def bind(world: World, extension: str) -> None:
    """A binding to the marked number, sealed by the key that seals now."""
    MaskEditor(world.database, "test").store([number_row(world.vault, extension, MARKED)])


def test_a_key_is_added_and_everything_goes_under_it(world: World) -> None:
    """What was sealed before stays readable, until then and afterwards."""
    bind(world, "1")
    assert listed(world) == [(1, 1, True)]
    assert "key 2 seals from now on" in world.run(app, "add").output
    bind(world, "2")
    assert listed(world) == [(1, 1, False), (2, 1, True)]
    assert world.run(app, "list").output.splitlines() == ["1  1 sealed", "2  1 sealed  seals now"]
    assert world.run(app, "reseal").output == "2 numbers and secrets are sealed under key 2\n"
    assert listed(world) == [(1, 0, False), (2, 2, True)]
    opened = [world.vault.open(row.sealed) for row in MaskRepository(world.database).rows() if row.sealed]
    assert [number.reveal("test") for number in opened] == [MARKED, MARKED]


def test_the_running_switch_is_told(world: World, switch: Callable[[bytes], list[dict[str, object]]]) -> None:
    """It seals under the new key at once."""
    got = switch(b'{"ok": true, "result": {"key": 2}}\n')
    assert world.run(app, "add").exit_code == 0
    assert got == [{"command": "keys-changed"}]


def test_a_switch_that_does_not_take_it_is_said(
    world: World, switch: Callable[[bytes], list[dict[str, object]]]
) -> None:
    """The key is there all the same, and taken at the next start."""
    switch(b'{"ok": false, "error": "no"}\n')
    result = world.run(app, "add")
    assert result.exit_code == 1
    assert "could not be told (no)" in result.output
    assert [key for key, _, _ in listed(world)] == [1, 2]


def test_a_key_that_is_missing_is_one_line(world: World) -> None:
    """It names the file."""
    bind(world, "1")
    world.run(app, "add")
    Path(world.store / "keys" / "encryption-1.key").unlink()
    for command in ("list", "add", "reseal"):
        result = world.run(app, command)
        assert result.exit_code == 1
        assert "encryption-1.key: is missing" in result.output
