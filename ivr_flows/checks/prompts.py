"""Whether there is something to play for every prompt a flow names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Protocol

from ivr_flows.checks.nodes import PROMPT
from ivr_flows.errors import FlowError
from ivr_flows.model import ConnectBase, Flow, SetNode
from ivr_flows.source import Path, Source

_CONSTANT: Final = re.compile(r"""(['"])([a-z-]+)\1\Z""")


class Sounds(Protocol):
    """What can be played."""

    def fault(self, name: str) -> tuple[str, str, str] | None:
        """Return code, message and suggestion when a sound is missing or no audio; None when it can be played."""


def check_prompts(flow: Flow, source: Source, sounds: Sounds) -> Iterator[FlowError]:
    """Yield every prompt that is not there or cannot be opened.

    A name with `{language}` is tried for each language the flow may speak; one with other variables is passed over.
    """
    languages = spoken(flow)
    for node_name, node in flow.nodes.items():
        named: list[tuple[Path, str, frozenset[str]]] = []
        for path, prompt in node.prompts_by_place():
            if not prompt.speech:
                named += [(path, text.source, text.names) for text in prompt.wording.texts.values()]
        if isinstance(node, ConnectBase) and node.ringback:
            named.append((("ringback",), node.ringback, frozenset()))
        for path, written, variables in named:
            if variables - {"language"}:
                continue
            tried = [written.replace("{language}", language) for language in languages] if variables else [written]
            for sound in tried:
                if PROMPT.match(sound) and (fault := sounds.fault(sound)):
                    code, message, advice = fault
                    yield source.error(("nodes", node_name, *path), message, advice, code=code)


def spoken(flow: Flow) -> list[str]:
    """Return the languages a flow is written in: the header's, and those its prompts and texts name."""
    found = {flow.language}
    for node in flow.nodes.values():
        for _, reading in node.reads():
            wording = getattr(reading, "wording", reading)
            found |= set(getattr(wording, "languages", ()))
        if isinstance(node, SetNode) and "language" in node.values:
            constant = _CONSTANT.match(node.values["language"].source)
            found |= {constant[2]} if constant else set()
    return sorted(found)
