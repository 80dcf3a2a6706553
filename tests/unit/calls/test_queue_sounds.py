"""What those who wait are told, word by word."""

from __future__ import annotations

import pytest

from ivr_flows.actions import Speech
from routing.acd.actions import Announce
from switchboard.calls.queue_sounds import sounds_of


@pytest.mark.parametrize(
    ("position", "wait", "language", "said"),
    [
        (1, None, "zh", "您是下一位。"),
        (2, None, "zh", "您排在第二位。"),
        (12, (70.0, 170.0), "zh", "您排在第十二位。预计等待一到三分钟。"),
        (0, (20.0, 110.0), "zh", "预计等待约两分钟。"),
        (0, (0.0, 55.0), "zh", "预计等待不到一分钟。"),
        (0, (600.0, 4000.0), "zh", "预计等待一小时以上。"),
        (3, (120.0, 290.0), "en", "You are number three in the queue. The wait is two to five minutes."),
        (1, None, "fr", "您是下一位。"),
    ],
)
def test_position_and_wait(position: int, wait: tuple[float, float] | None, language: str, said: str) -> None:
    """Places and bands are said as people say them; a language that is not spoken here becomes Chinese."""
    action = Announce("c", "position", position=position, wait=wait)
    (speech,) = sounds_of(action, language, "")
    assert speech == Speech(said, "en" if language == "en" else "zh")


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
