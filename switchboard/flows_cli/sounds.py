"""What the switch could play: files of the prompt directories, what their manifests have spoken, tones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ivr_flows.checks import codes
from ivr_flows.errors import did_you_mean
from media import audio_files, tones
from media.manifest import SHIPPED, ManifestError, load_manifest
from media.prompts import MAX_SECONDS, PromptError, PromptMissingError, PromptStore, load_alaw

_RAW: Final = ".al"


class PromptFiles:
    """Looks for prompts in directories, the packaged ones last; each is opened once."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = [*directories, SHIPPED]
        self._store = PromptStore(self._directories)
        self._spoken = {name for directory in self._directories for name in _in_manifest(directory)}
        self._known = sorted({*self._store.names(), *self._spoken})
        self._found: dict[str, tuple[str, str, str] | None] = {}

    def fault(self, name: str) -> tuple[str, str, str] | None:
        """Return code, message and suggestion when a prompt is missing or no audio; None when it can be played."""
        if name not in self._found:
            self._found[name] = self._look(name)
        return self._found[name]

    def text(self, name: str) -> str:
        """What a prompt says, where a manifest tells."""
        for directory in self._directories:
            texts = _in_manifest(directory)
            if name in texts:
                return texts[name]
        return ""

    def _look(self, name: str) -> tuple[str, str, str] | None:
        try:
            if tones.is_tone(name):
                tones.synthesise(name)
                return None
            path = self._store.find(name)
            if path.suffix == _RAW:
                load_alaw(path)
            else:
                audio_files.read(path, max_seconds=MAX_SECONDS)
        except tones.ToneError as error:
            return codes.PROMPT_NAME, str(error), ""
        except PromptMissingError:
            if name in self._spoken:
                return None
            advice = did_you_mean(name, self._known) or "add the file, or its text to the manifest"
            return codes.PROMPT_MISSING, f"there is no prompt '{name}'", advice
        except (audio_files.AudioError, PromptError) as error:
            return codes.PROMPT_FORMAT, f"'{name}': {error}", "save it as wav, flac, ogg or mp3"
        except OSError as error:
            return codes.PROMPT_FORMAT, f"'{name}' cannot be read: {error.strerror}", ""
        return None


def _in_manifest(directory: Path) -> dict[str, str]:
    """Return the names a manifest would have made, with what they say."""
    try:
        manifest = load_manifest(directory)
    except ManifestError:
        return {}
    return {entry.name: getattr(entry, "text", "") for entry in manifest.entries()}
