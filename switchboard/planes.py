"""The media plane that the configuration asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from config.addresses import host_port
from config.media_schema import Media
from media.interface import MediaEvent
from media.manifest import SHIPPED
from media.null_plane import NullPlane
from media.plane import WorkerPlane
from media.prompts import PromptStore
from media.rtpengine.commands import family_of
from media.rtpengine.plane import RtpenginePlane
from media.rtpengine.settings import Settings
from media.rtpengine.sounds import Sounds
from media.shared_plane import SharedPlane
from switchboard.calls.anteroom import Anteroom

PROMPT_SECONDS: Final = 3.0
"""How long a prompt lasts that nobody hears."""
SOUNDS: Final = "rtpengine"
"""Below the store's directory: what rtpengine plays."""
# The same of rendered texts, prompts of other formats, prompts made where files are missing; workers know them, too.
_SPEECH, _CONVERTED, _MADE = "speech", "converted", "prompts"

Plane: TypeAlias = WorkerPlane | SharedPlane | RtpenginePlane
Tell: TypeAlias = Callable[[Sequence[MediaEvent]], None]


def open_plane(media: Media, workers: Mapping[int, str], on_events: Tell, store: Path = Path()) -> Plane:
    """The workers at these sockets, or rtpengine before them, or with `plane: none` as many of their ports as are to be
    carried. `store` is the directory of what is kept.
    """
    if media.plane == "rtpengine":
        return _rtpengine(media, workers, on_events, store)
    real = WorkerPlane(workers, on_events)
    if media.plane == "workers":
        return real
    null = NullPlane(on_events, seconds=lambda name: PROMPT_SECONDS, address=media.address)
    return SharedPlane(real, null, media.carried)


def let_wait(plane: Plane, told: Callable[[bool], None], room: Anteroom) -> None:
    """More calls in one moment than have ports wait for those that are on their way, of which `told` is told."""
    if isinstance(plane, SharedPlane):
        return
    plane.on_short = told
    room.spare = plane.spare
    if isinstance(plane, RtpenginePlane):
        room.kept = plane.kept


def _rtpengine(media: Media, workers: Mapping[int, str], on_events: Tell, store: Path) -> RtpenginePlane:
    wanted = media.rtpengine
    place, keys = host_port(wanted.address), host_port(wanted.keys)
    assert place is not None  # the configuration was checked
    assert keys is not None
    prompts = PromptStore(
        [*media.prompts, SHIPPED, store / _MADE], speech=store / _SPEECH, converted=store / _CONVERTED
    )
    settings = Settings(
        *place,
        *keys,
        timeout=float(wanted.timeout),
        ping=float(wanted.ping),
        spare=wanted.spare,
        name=wanted.name,
        silence=float(media.silence),
        families=(family_of(media.address), "IP6") if media.address6 else (family_of(media.address),),
    )
    sounds = Sounds(Path(wanted.sounds) if wanted.sounds else store / SOUNDS, prompts)
    return RtpenginePlane(settings, workers, sounds, on_events)
