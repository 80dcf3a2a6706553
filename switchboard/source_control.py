"""The guard of sources as the configuration wants it, and what the control socket says to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from config.schema import Config
from switchboard.net.sources import FOREVER, Limits, SourceGuard, network_of
from switchboard.ops.control import Command, CommandError
from switchboard.trunk_config import gateways_of


def source_guard(config: Config, tell: Callable[..., None]) -> SourceGuard:
    """A guard that knows the trunks: where they send from, and where we send to."""
    settings = config.sources
    return SourceGuard(
        Limits(
            rate=settings.rate,
            burst=settings.burst,
            failures=float(settings.failures),
            window=settings.window,
            silence=settings.silence,
        ),
        trunks=trunk_sources(config),
        blocked=settings.block,
        scanners=settings.scanners,
        tell=tell,
    )


def trunk_sources(config: Config) -> list[str]:
    """Where trunks send from, and where we send to, as far as these are addresses."""
    texts = [
        text
        for trunk in config.trunks
        for text in (*trunk.from_, *(gateway.to for gateway in gateways_of(trunk)))
        if _is_source(text)
    ]
    return list(dict.fromkeys(texts))


def _is_source(text: str) -> bool:
    """Whether it is an address rather than a name, or nothing."""
    try:
        network_of(text)
    except ValueError:
        return False
    return True


def source_commands(guard: SourceGuard, clock: Callable[[], float]) -> dict[str, Command]:
    """`sources`, `block-source` and `unblock-source`; what they do lasts until the switch starts anew."""

    def listing(request: Mapping[str, object]) -> list[dict[str, object]]:
        now = clock()
        return [
            {
                "source": str(one.network.network_address if one.network.num_addresses == 1 else one.network),
                "reason": one.reason,
                "seconds": None if one.until == FOREVER else round(one.until - now),
            }
            for one in guard.blocked(now)
        ]

    def block(request: Mapping[str, object]) -> str:
        seconds = request.get("seconds")
        try:
            return guard.block(_source(request), clock(), float(seconds) if isinstance(seconds, (int, float)) else None)
        except ValueError as error:
            raise CommandError(str(error)) from None

    def unblock(request: Mapping[str, object]) -> bool:
        try:
            return guard.unblock(_source(request))
        except ValueError as error:
            raise CommandError(str(error)) from None

    return {"sources": listing, "block-source": block, "unblock-source": unblock}


def _source(request: Mapping[str, object]) -> str:
    source = request.get("source")
    if not isinstance(source, str):
        raise CommandError("source: is missing")
    return source
