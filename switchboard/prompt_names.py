"""Which prompts there are, by name alone: enough to know before a call that one is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ivr_flows.checks import codes
from ivr_flows.errors import did_you_mean
from media import tones
from media.manifest import SHIPPED, ManifestError, load_manifest
from media.prompts import PromptError, PromptStore


class PromptNames:
    """Implements `ivr_flows.checks.prompts.Sounds` without opening a file; `flows check` opens them."""

    def __init__(self, directories: Sequence[Path]) -> None:
        searched = [*directories, SHIPPED]
        self._store = PromptStore(searched)
        self._known = set(self._store.names())
        for directory in searched:
            with contextlib.suppress(ManifestError):  # told when the missing ones are made
                self._known |= {entry.name for entry in load_manifest(directory).entries()}

    def fault(self, name: str) -> tuple[str, str, str] | None:
        """Return code, message and suggestion for a prompt that is not there."""
        if name in self._known or tones.is_tone(name):
            return None
        try:
            self._store.find(name)
        except PromptError:
            advice = did_you_mean(name, self._known) or "add the file, or its text to the manifest"
            return codes.PROMPT_MISSING, f"there is no prompt '{name}'", advice
        return None
