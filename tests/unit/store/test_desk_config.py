"""Stored agents and groups: versions that only grow, and what counts beside the configuration."""

from __future__ import annotations

import pytest

from routing.acd.model import Agent, Announcements, Group, Overflow
from switchboard.store import desk_config as module
from switchboard.store.database import Database
from switchboard.store.desk_config import ABSENT, DeskConfig, VersionError

NOW = 1_760_000_000_000_000
ALICE = Agent(id="alice", phone="aor:alice", groups={"support": 1}, skills={"en": 5}, wrap_up=5.0)
SUPPORT = Group(
    name="support",
    strategy="skill_best",
    requirement="en>=3 then any after 60s",
    overflow=(Overflow("group:sales", 60.0), Overflow("voicemail:support", on=("closed", "full"))),
    announcements=Announcements(position=True, callback_offer=60.0),
)


@pytest.fixture
def desk(database: Database) -> DeskConfig:
    """Nothing stored."""
    return DeskConfig(database)


def test_they_come_back_whole(desk: DeskConfig) -> None:
    """With version, time and who; agents and groups of one name are two things."""
    assert desk.agents.put("alice", ALICE, by="root", at_us=NOW) == 1
    assert desk.groups.put("support", SUPPORT, by="root", at_us=NOW) == 1
    assert desk.groups.put("alice", SUPPORT, by="root", at_us=NOW) == 1
    assert desk.agents.get("alice") == (ALICE, 1, NOW, "root")
    assert desk.groups.get("support") == (SUPPORT, 1, NOW, "root")
    assert desk.agents.get("support") is None
    assert list(desk.groups.all()) == ["alice", "support"]


def test_a_change_needs_the_version_it_saw(desk: DeskConfig) -> None:
    """Of two who change the same version the second is refused, and told the current one."""
    assert desk.agents.put("alice", ALICE, by="a", at_us=NOW, expected=0) == 1
    with pytest.raises(VersionError) as caught:
        desk.agents.put("alice", ALICE, by="b", at_us=NOW, expected=0)
    assert caught.value.current == 1
    assert desk.agents.put("alice", ALICE, by="b", at_us=NOW, expected=1) == 2
    with pytest.raises(VersionError):
        desk.agents.remove("alice", by="c", at_us=NOW, expected=1)
    assert desk.agents.get("alice") == (ALICE, 2, NOW, "b")


def test_something_new_is_made_once(desk: DeskConfig) -> None:
    """Of two who make it at the same time one is told; a removed one can be made anew."""
    assert desk.groups.put("new", Group(name="new"), by="x", at_us=1, expected=ABSENT) == 1
    with pytest.raises(VersionError):
        desk.groups.put("new", Group(name="new"), by="y", at_us=1, expected=ABSENT)
    desk.groups.remove("new", by="x", at_us=2)
    assert desk.groups.put("new", Group(name="new"), by="y", at_us=3, expected=ABSENT) == 3


def test_the_names_of_what_counts(desk: DeskConfig) -> None:
    """Configured, stored, or both; removed ones not."""
    desk.groups.put("new", Group(name="new"), by="x", at_us=1)
    desk.groups.put("changed", Group(name="changed"), by="x", at_us=1)
    desk.groups.remove("gone", by="x", at_us=1)
    assert sorted(desk.groups.names(["plain", "changed", "gone"])) == ["changed", "new", "plain"]


def test_versions_outlive_a_removal(desk: DeskConfig) -> None:
    """An ETag of before never fits what came later under the same name."""
    desk.agents.put("alice", ALICE, by="a", at_us=NOW)
    assert desk.agents.remove("alice", by="a", at_us=NOW, expected=1) == 2
    assert desk.agents.get("alice") == (None, 2, NOW, "a")
    assert desk.agents.put("alice", ALICE, by="a", at_us=NOW) == 3


def test_what_counts(desk: DeskConfig) -> None:
    """Stored ones win over configured ones, removed ones are gone, forgotten ones are configured again."""
    configured = {name: Agent(id=name, phone=f"aor:{name}") for name in ("alice", "bob", "carol")}
    desk.agents.put("alice", ALICE, by="a", at_us=NOW)
    desk.agents.put("dave", Agent(id="dave", phone="aor:dave"), by="a", at_us=NOW)
    desk.agents.remove("bob", by="a", at_us=NOW)
    found = desk.agents.overlay(configured)
    assert list(found) == ["alice", "carol", "dave"]
    assert found["alice"] == ALICE
    assert desk.agents.forget("bob")
    assert not desk.agents.forget("bob")
    assert "bob" in desk.agents.overlay(configured)
    assert list(configured) == ["alice", "bob", "carol"]


def test_what_cannot_be_read_is_left_out(desk: DeskConfig, database: Database) -> None:
    """A row of another version is no reason not to start; fields that are new have their defaults."""
    desk.agents.put("alice", ALICE, by="a", at_us=NOW)
    with database.writing() as connection:
        for name, body in (("bad", '{"id": 5}'), ("old", '{"id":"old","phone":"aor:old","gone":1}')):
            connection.exec_driver_sql("INSERT INTO desk_objects VALUES ('agent', ?, 1, ?, 1, 'a')", (name, body))
    assert list(desk.agents.all()) == ["alice", "old"]
    assert desk.agents.get("bad") is None
    assert desk.agents.overlay({})["old"] == Agent(id="old", phone="aor:old")


def test_there_is_a_bound(desk: DeskConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """New ones are refused beyond it, changes are not."""
    monkeypatch.setattr(module, "MAX_OBJECTS", 1)
    desk.agents.put("alice", ALICE, by="a", at_us=NOW)
    desk.agents.put("alice", ALICE, by="a", at_us=NOW)
    with pytest.raises(ValueError, match="there are 1 of them already"):
        desk.agents.put("bob", ALICE, by="a", at_us=NOW)
