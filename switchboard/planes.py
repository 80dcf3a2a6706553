"""The media plane that the configuration asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from config.schema import Media
from media.interface import MediaEvent
from media.null_plane import NullPlane
from media.plane import WorkerPlane
from media.shared_plane import SharedPlane

PROMPT_SECONDS: Final = 3.0
"""How long a prompt lasts that nobody hears."""


def open_plane(
    media: Media, workers: Mapping[int, str], on_events: Callable[[Sequence[MediaEvent]], None]
) -> WorkerPlane | SharedPlane:
    """The workers at these sockets, or with `plane: none` only as many of their ports as are to be carried."""
    real = WorkerPlane(workers, on_events)
    if media.plane == "workers":
        return real
    null = NullPlane(on_events, seconds=lambda name: PROMPT_SECONDS, address=media.address)
    return SharedPlane(real, null, media.carried)
