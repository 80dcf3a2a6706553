"""What those who wait are told, word by word."""

from __future__ import annotations

import pytest

from ivr_flows.actions import Speech
from ivr_flows.reading import read
from routing.acd.actions import Announce
from switchboard.calls.queue_sounds import ANNOUNCEMENT, IN_ONE, announce, sounds_of
from tests.unit.calls.queue_stage import MUSIC, QueueStage, rules


@pytest.mark.parametrize(
    ("position", "wait", "language", "said"),
    [
        (1, None, "zh", ["您是下一位。"]),
        (2, None, "zh", ["您排在第二位。"]),
        (12, (70.0, 170.0), "zh", ["您排在第十二位。", "预计等待一到三分钟。"]),
        (0, (20.0, 110.0), "zh", ["预计等待约两分钟。"]),
        (0, (0.0, 55.0), "zh", ["预计等待不到一分钟。"]),
        (0, (600.0, 4000.0), "zh", ["预计等待一小时以上。"]),
        (3, (120.0, 290.0), "en", ["You are number three in the queue.", "The wait is two to five minutes."]),
        (1, None, "fr", ["您是下一位。"]),
        (IN_ONE, None, "zh", ["您排在第二十位。"]),
        (IN_ONE + 1, None, "zh", ["您排在第", "二十", "一", "位。"]),
        (2905, None, "zh", ["您排在第", "两千", "九百", "零五", "位。"]),
        (1210, None, "zh", ["您排在第", "一千", "二百", "一十", "位。"]),
        (12030, None, "zh", ["您排在第", "一万", "二千", "零三十", "位。"]),
        (1234, None, "en", ["You are number", "one thousand", "two hundred", "and thirty-four", "in the queue."]),
        (2001, None, "en", ["You are number", "two thousand", "and one", "in the queue."]),
    ],
)
def test_position_and_wait(position: int, wait: tuple[float, float] | None, language: str, said: list[str]) -> None:
    """Places and bands are said as people say them; a language that is not spoken here becomes Chinese."""
    action = Announce("c", "position", position=position, wait=wait)
    spoken = "en" if language == "en" else "zh"
    assert sounds_of(action, language, "") == tuple(Speech(text, spoken) for text in said)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_all_places_are_put_together_of_few_texts(language: str) -> None:
    """Ten thousand callers need a few hundred texts, and the pieces of each place make up its number again."""
    texts = set()
    for position in range(2, 10_000):
        sounds = sounds_of(Announce("c", "position", position=position), language, "")
        spoken = [sound.text for sound in sounds if isinstance(sound, Speech)]
        texts.update(spoken)
        if position > IN_ONE:
            glue = " " if language == "en" else ""
            assert glue.join(spoken[1:-1]) == read(position, "number", language)
    assert len(texts) < 250


def test_a_number_that_lacks_a_piece_is_not_said() -> None:
    """The music goes on when a piece could not be made; with all of them the place is said in one go."""
    stage = QueueStage("anna", group=rules(announcements=MUSIC))
    world = stage.world
    world.desk.set_state("anna", "meeting", "anna", world.now)
    caller = stage.caller()
    (call,) = world.exchange.calls.values()
    action = Announce(call.id, "position", position=1205)
    pieces = [(one.text, one.language) for one in sounds_of(action, "zh", "") if isinstance(one, Speech)]
    world.voice.dumb = True
    world.voice.made.update(pieces[:2])
    announce(world.exchange, call, action, "zh")
    world.run()
    assert world.plane.playing[caller.lease][1] == ("music/hold",)
    world.voice.dumb = False
    announce(world.exchange, call, action, "zh")
    world.run()
    said = tuple(f"speech:{text}" for text in ("您排在第", "一千", "二百", "零五", "位。"))
    assert world.plane.playing[caller.lease] == (ANNOUNCEMENT, said, False)
    stage.ends_clean()


def test_nothing_to_say() -> None:
    """Without a place or a wait nothing is said."""
    assert sounds_of(Announce("c", "position"), "zh", "") == ()


def test_group_prompts() -> None:
    """What a group says now and then are sounds by name."""
    assert sounds_of(Announce("c", "periodic", prompts=("zh/busy_hour",)), "zh", "") == ("zh/busy_hour",)


def test_offer_of_a_callback() -> None:
    """The key is named; without one nothing is offered."""
    offer = Announce("c", "callback_offer")
    assert sounds_of(offer, "en", "") == ()
    (speech,) = sounds_of(offer, "en", "1")
    assert isinstance(speech, Speech)
    assert speech.text.startswith("Press one to be called back.")
