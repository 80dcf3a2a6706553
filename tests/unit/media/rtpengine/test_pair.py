"""What a call of rtpengine is told, and in which order, for whatever is wanted of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtpengine.bencode import Value
from media.rtpengine.commands import Party, Place
from media.rtpengine.pair import Pair
from media.rtpengine.side import Playback, Side
from media.rtpengine.transactions import Command, Reply

ALICE, BOB = Party("192.0.2.1", 4000), Party("192.0.2.2", 4002)
WORKER = Party("127.0.0.1", 10000)


class Engine:
    """As much of rtpengine as a pair needs: who is described, connected and blocked. It owns the pair, too."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.events: list[str] = []
        self.hears: dict[str, str] = {}
        self.described: dict[str, int] = {}
        self.blocked: set[str] = set()
        self.closed: set[str] = set()
        self.playing: dict[str, str] = {}
        self.learns: dict[str, bool] = {}
        self.pair = Pair("call", self)

    def run(self) -> list[str]:
        """Answers until nothing more is asked; the commands in short."""
        self.told = []
        while (command := self.pair.next_command()) is not None:
            assert self.pair.next_command() is None, "one at a time"
            self.pair.answered(self.answer(command))
        return self.told

    def answer(self, command: Command) -> Reply:
        name, tag = str(command["command"]), str(command.get("from-tag", ""))
        short = {"block media": "block", "unblock media": "unblock"}.get(name, name)
        self.told.append(f"{short} {tag}".strip())
        match name:
            case "offer" | "answer":
                return self.agree(command, name, tag)
            case "block media" | "unblock media":
                (self.blocked.add if name == "block media" else self.blocked.remove)(tag)
            case "block DTMF" | "unblock DTMF":
                (self.closed.add if name == "block DTMF" else self.closed.remove)(tag)
            case "play media":
                self.playing[tag] = str(command["file"])
                return {"result": "ok", "duration": 1500}
            case "stop media":
                self.playing.pop(tag, None)
        return {"result": "ok"}

    def agree(self, command: Command, name: str, tag: str) -> Reply:
        to = str(command.get("to-tag", "b"))
        self.learns[tag] = "asymmetric" not in str(command["flags"])
        self.hears[tag], self.hears[to] = to, tag
        port = int(str(command["sdp"]).partition("m=audio ")[2].split()[0])
        self.described[tag if name == "offer" else to] = port
        place = {"a": 20000, "b": 20010, "wa": 20020, "wb": 20030}[to if name == "offer" else tag]
        return {"result": "ok", "sdp": f"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {place} RTP/AVP 8\r\n"}

    def heard_by(self, tag: str) -> str:
        """Whose words reach a party, of both."""
        other = "b" if tag == "a" else "a"
        return other if self.hears.get(other) == tag and other not in self.blocked else ""

    # --- PairOwner ---

    def pair_ready(self, pair: Pair) -> None:
        self.events.append("ready")

    def pair_failed(self, pair: Pair) -> None:
        self.events.append("failed")

    def pair_counted(self, pair: Pair, reply: Mapping[str, Value]) -> None:
        self.events.append("counted")

    def side_linked(self, side: Side, place: Place) -> None:
        self.events.append(f"{side.tag} at {place.port}")

    def side_playing(self, side: Side, playback: Playback, seconds: float) -> None:
        self.events.append(f"{side.tag} plays {seconds}")

    def side_keyed(self, side: Side, count: int) -> None:
        self.events.append(f"{side.tag} keyed {count}")

    def side_mute(self, side: Side, playback: Playback) -> None:
        self.events.append(f"{side.tag} mute")


def ready() -> tuple[Engine, Side, Side]:
    """One that is opened ahead."""
    engine = Engine()
    assert engine.run() == ["offer a", "answer a"]
    assert engine.events == ["ready"]
    one, other = engine.pair.sides
    assert (one.place.port, other.place.port) == (20000, 20010)
    return engine, one, other


def talking() -> tuple[Engine, Side, Side]:
    """One in which both hear each other."""
    engine, one, other = ready()
    one.party, other.party, engine.pair.bridged = ALICE, BOB, True
    assert engine.run() == ["offer a", "offer b"]
    assert (engine.heard_by("a"), engine.heard_by("b")) == ("b", "a")
    return engine, one, other


def test_a_plain_call_takes_five_commands() -> None:
    """Two ahead of it, one for each party, one to end it."""
    engine, *_ = talking()
    engine.pair.over = True
    assert engine.run() == ["delete a"]
    assert engine.pair.done
    assert engine.events == ["ready", "counted"]


@pytest.mark.parametrize("tags", ["a", "b", "ab"])
def test_a_call_that_a_worker_has_a_part_in_is_ended_whole(tags: str) -> None:
    """Each side is a dialogue of its own then: who names one of them leaves the other there for ever."""
    engine, *_ = talking()
    engine.pair.bridged = False
    for tag in tags:
        side = engine.pair.side(tag)
        assert side is not None
        side.worker = WORKER
    engine.run()
    engine.events.clear()
    engine.pair.over = True
    assert engine.run() == ["query", "delete"]
    assert engine.pair.done
    assert engine.events == ["counted"]


def test_parties_that_are_not_bridged_never_hear_each_other() -> None:
    """What the first says is blocked before the second is described."""
    engine, one, other = ready()
    one.party = ALICE
    assert engine.run() == ["offer a"]
    other.party = BOB
    told = engine.run()
    assert told.index("block a") < told.index("offer b")
    assert engine.blocked == engine.closed == {"a", "b"}


def test_keys_that_are_ours_do_not_go_to_the_other_side() -> None:
    """They are blocked while the audio passes."""
    engine, one, _ = talking()
    one.digits = True
    assert engine.run() == ["block DTMF a"]
    one.digits = False
    assert engine.run() == ["unblock DTMF a"]


def test_who_may_key_a_secret_yet_is_heard_by_nobody() -> None:
    """Nor are the keys passed on; the other side is heard all the while."""
    engine, one, _ = talking()
    one.hushed = True
    assert engine.run() == ["block a", "block DTMF a"]
    assert (engine.heard_by("b"), engine.heard_by("a")) == ("", "b")
    one.hushed = False
    assert sorted(engine.run()) == ["unblock DTMF a", "unblock a"]


def test_while_it_is_learned_where_a_party_sends_from_nobody_hears_it_nor_does_it_hear_anybody() -> None:
    """Whoever is the first to send is learned: it may be somebody else."""
    engine, one, _ = talking()
    behind = Party("192.0.2.1", 4000, nat=True)
    one.be(behind)
    one.find(7000)
    assert engine.run() == ["offer a"]
    one.seek()
    assert engine.run() == ["block a", "block DTMF a", "block b", "block DTMF b", "offer a"]
    assert engine.learns["a"]
    assert engine.run() == []
    one.seek()
    assert engine.run() == ["offer a"]
    one.find(5000)
    told = engine.run()
    assert told[0] == "offer a"
    assert sorted(told[1:]) == ["unblock DTMF a", "unblock DTMF b", "unblock a", "unblock b"]
    assert (engine.described["a"], engine.learns["a"]) == (5000, False)
    one.be(behind)
    assert engine.run() == []
    one.be(Party("192.0.2.1", 6000))
    assert engine.run() == ["offer a"]
    assert engine.described["a"] == 6000


def test_who_hears_a_prompt_hears_nobody_else() -> None:
    """As the other one does who has muted himself, or whose phone says that it only listens."""
    engine, one, other = talking()
    one.playback = Playback(7, loop=False)
    one.playback.file = "/x.wav"
    assert engine.run() == ["block b", "block DTMF b", "play media a"]
    assert engine.events[-1] == "a plays 1.5"
    one.playback = None
    assert engine.run() == ["unblock b", "unblock DTMF b", "stop media a"]
    other.muted = True
    assert engine.run() == ["block b", "block DTMF b"]
    other.muted, one.send = False, False
    assert engine.run() == []


def test_a_prompt_waits_for_its_file_and_its_party() -> None:
    """Neither may be there yet."""
    engine, one, _ = ready()
    one.playback = Playback(7, loop=True)
    assert engine.run() == []
    one.playback.file = "/x.wav"
    assert engine.run() == []
    one.party = ALICE
    assert engine.run() == ["offer a", "play media a"]


def test_a_party_is_handed_over_and_keeps_its_port() -> None:
    """It hears the worker's session, which is told where it is reached; the other side hears it no more."""
    engine, one, _ = talking()
    engine.pair.bridged, one.worker = False, WORKER
    told = engine.run()
    assert [each for each in told if "DTMF" not in each] == ["block b", "offer a", "answer a"]
    assert engine.events[-1] == "a at 20020"
    assert (engine.described["a"], engine.described["wa"], engine.hears["wa"]) == (4000, 10000, "a")
    one.party = Party("192.0.2.1", 4000, "PCMU", 0)
    one.worker = Party("127.0.0.1", 10000, "PCMU", 0)
    assert engine.run() == ["offer a", "answer a"], "both have another codec now"


def test_while_a_party_is_sought_the_worker_that_has_it_neither_hears_it_nor_is_heard() -> None:
    """The other side goes on with its own."""
    engine, one, _ = talking()
    engine.pair.bridged, one.worker = False, WORKER
    engine.run()
    one.seek()
    assert engine.run() == ["block a", "block wa", "block DTMF a", "offer a", "answer a"]
    assert engine.blocked == {"a", "wa", "b"}
    one.find(5000)
    assert engine.run() == ["offer a", "answer a", "unblock a", "unblock wa", "unblock DTMF a"]
    assert engine.described["a"] == 5000


def test_keys_are_put_into_what_the_other_party_says() -> None:
    """Once both are described as parties for whom that is done."""
    engine, one, _ = talking()
    engine.pair.injects = True
    one.keys.extend("1#")
    assert engine.run() == ["offer a", "offer b", "play DTMF b", "play DTMF b"]


ANOTHER = {"result": "ok", "sdp": "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 20012 RTP/AVP 8\r\n"}
"""What it answers to an offer about a call that it has given up: a new one, on another port."""


@pytest.mark.parametrize("reply", [None, {"result": "error", "error-reason": "Unknown call-id"}, ANOTHER])
def test_a_call_that_is_not_known_has_failed(reply: Reply | None) -> None:
    """So has one about which there is no answer; it asks for nothing more."""
    engine, one, _ = ready()
    one.party = ALICE
    assert engine.pair.next_command() is not None
    engine.pair.answered(reply)
    assert engine.events[-1] == "failed"
    assert engine.pair.next_command() is None


def test_what_cannot_be_played_is_told() -> None:
    """The call goes on."""
    engine, one, _ = ready()
    one.party = ALICE
    engine.run()
    one.playback = Playback(7, loop=False)
    one.playback.file = "/none.wav"
    assert engine.pair.next_command() is not None
    engine.pair.answered({"result": "error", "error-reason": "Failed to start media playback from file"})
    assert engine.events[-1] == "a mute"
    assert engine.run() == []


WISHES = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(
            ["open", "shut", "send", "receive", "mute", "digits", "play", "stop", "worker", "bridge", "run"]
        ),
    ),
    max_size=30,
)


@given(WISHES)
def test_in_the_end_all_is_as_wanted(wishes: list[tuple[int, str]]) -> None:
    """Whatever was wanted meanwhile."""
    engine, *_ = ready()
    for number, wish in wishes:
        apply(engine, engine.pair.sides[number], wish)
    engine.run()
    assert engine.run() == []
    for side in engine.pair.sides:
        hears = bool(engine.heard_by(side.tag))
        other = side.other
        if side.party is not None and other.party is not None and side.worker is other.worker is None:
            wanted = engine.pair.bridged and side.playback is None and side.send and other.receive and not other.muted
            assert hears == wanted
        assert (side.tag in engine.playing) == (side.playback is not None and side.told is not None)


def apply(engine: Engine, side: Side, wish: str) -> None:
    """One wish of many."""
    actions: dict[str, Any] = {
        "open": lambda: setattr(side, "party", ALICE),
        "shut": lambda: setattr(side, "party", BOB),
        "send": lambda: setattr(side, "send", not side.send),
        "receive": lambda: setattr(side, "receive", not side.receive),
        "mute": lambda: setattr(side, "muted", not side.muted),
        "digits": lambda: setattr(side, "digits", not side.digits),
        "play": lambda: setattr(side, "playback", sound()),
        "stop": lambda: setattr(side, "playback", None),
        "worker": lambda: (setattr(side, "worker", WORKER), setattr(engine.pair, "bridged", False)),
        "bridge": lambda: setattr(
            engine.pair, "bridged", all(one.party and not one.worker for one in engine.pair.sides)
        ),
        "run": engine.run,
    }
    actions[wish]()


def sound() -> Playback:
    """A prompt that is written."""
    playback = Playback(1, loop=False)
    playback.file = "/x.wav"
    return playback
