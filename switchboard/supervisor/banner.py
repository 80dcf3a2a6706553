"""What a person reads at start: where the switch listens and what to do next."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from config.schema import Config, Mask


def greeting(config: Config, seconds: float, admin: str = "", *, web: bool = True) -> Iterator[str]:
    """The lines printed when everything is ready; `admin` is the password of an administrator made at this start.

    Without `web` the address of the API could not be had.
    """
    yield f"switchboard is ready ({seconds:.1f} s); Ctrl-C stops it"
    listens = ", ".join(f"{one.host}:{one.port}/{one.transport}" for one in config.sip.listen)
    yield f"  SIP         {listens}"
    if config.http.enabled and not web:
        place = f"{config.http.host}:{config.http.port}"
        yield f"  API         none: {place} is not available; whatever answers there is not this switch"
    elif config.http.enabled:
        yield f"  state       http://{config.http.host}:{config.http.port}/health and /metrics"
        yield f"  API         http://{config.http.host}:{config.http.port}/docs"
    if admin:
        yield f"  account     admin  password {admin}  shown only once; change it at the first sign-in"
    if config.demo:
        yield from _samples(config)


def _samples(config: Config) -> Iterator[str]:
    bound = [mask for mask in config.masks if mask.extension is not None]
    for number in dict.fromkeys(mask.number for mask in bound):
        yield f"  number      {number}"
        for mask in [mask for mask in bound if mask.number == number][:3]:
            yield f"  extension   {mask.extension}  {_leads_to(mask)}"
    for entry in config.numbers:
        if entry.flow is not None and entry.number not in {mask.number for mask in bound}:
            yield f"  number      {entry.number}  flow {entry.flow}"
    for account in config.accounts:
        password = account.password.reveal("sample account on loopback")
        yield f"  softphone   {account.user}@{config.sip.domain}  password {password}"
    yield "  backend     http://127.0.0.1:8090  for demonstration; bench backend --who NUMBER says what a caller keys"
    yield "  next        make call    in another terminal: a caller, a softphone and audio between them"


def _leads_to(mask: Mask) -> str:
    if mask.target is None:
        return f"a mobile phone over {mask.trunk}, which shows {mask.shown} instead of the caller"
    if mask.target.startswith("aor:"):
        return f"softphone {mask.target.removeprefix('aor:')}"
    return mask.target


def room(wanted: int, possible: int, descriptors: int) -> str | None:
    """One line when the limit on open files is the tighter bound on port pairs, otherwise None."""
    if possible >= wanted:
        return None
    return (
        f"note: {possible} of the {wanted} pairs of media.ports can be open at once "
        f"({possible // 2} calls), as the limit on open files is {descriptors}; raise it with ulimit -n"
    )


def unusable(recordings: Path) -> str | None:
    """One line when nothing can be written into the directory of recordings, which ends no start; otherwise None."""
    try:
        recordings.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=recordings):
            return None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return f"note: nothing can be recorded in {recordings} ({reason}); calls go on; see recording.directory"
