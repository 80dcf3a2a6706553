"""`switchboard masks pool`: X numbers and extensions that are given out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

import typer

from routing.masks import ShownError
from routing.masks.pool import Pool, PoolPolicy
from routing.masks.target import TargetError, parse_number
from switchboard.command_line import ConfigOption, FormatOption, columns, opened, refuse, show_json
from switchboard.masks_cli.application import ByOption, app, tell_of_pools, who
from switchboard.store.mask_fields import duration
from switchboard.store.mask_pools import KEPT_DAYS, MaskPools, PoolError
from switchboard.store.records import utc_us

MAX_COOL_DOWN: Final = KEPT_DAYS * 86400.0

pool_app: Final = typer.Typer(
    name="pool",
    help="What `masks bind` gives out: X numbers by city, and extensions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(pool_app, name="pool")

_ADD_HELP: Final = """Add X numbers to a pool, created if there is none; adding them again changes nothing.

The running switch takes calls to them at once; they need not stand in the configuration.

\b
Examples:
  switchboard masks pool add rent --city Beijing 01088880001 01088880002
  switchboard masks pool add rent --city Shanghai 02166660001 --pairs 50 --cool-down 7d --avoid-sticky
  switchboard masks pool add owners --city Beijing 01088880009 --pairs 1
"""

_RETIRE_HELP: Final = """Give out a number of a pool no longer; its bindings stay until they are unbound.

\b
Example:
  switchboard masks pool retire 01088880001
"""

_LIST_HELP: Final = """List the pools: numbers, free ones and bindings of each city; with a name, each number.

\b
Examples:
  switchboard masks pool list
  switchboard masks pool list rent
  switchboard masks pool list rent --format json
"""

_FORGET_HELP: Final = """Forget who had numbers of pools longer ago than any cool-down lasts.

\b
Example:
  switchboard masks pool forget
"""

_EXTENSIONS_HELP: Final = """Set which extensions of a main number are given out by `masks bind NUMBER --target …`.

With a check digit each of them gets one digit more, so that a slip of the finger reaches nobody. Extensions that are
bound already must pass it.

\b
Examples:
  switchboard masks pool extensions 4008001234 100000 199999
  switchboard masks pool extensions 4008001234 10000 99999 --check damm --cool-down 90d
"""


@pool_app.command(help=_ADD_HELP)
def add(
    pool: Annotated[str, typer.Argument(metavar="POOL", help="The name of the pool.")],
    numbers: Annotated[list[str], typer.Argument(metavar="NUMBER…", help="X numbers.")],
    config: ConfigOption = None,
    city: Annotated[str, typer.Option(help="The city they belong to.")] = "",
    pairs: Annotated[int, typer.Option(min=1, max=100_000, help="Bindings one number serves at a time.")] = 200,
    cool_down: Annotated[str, typer.Option(metavar="LENGTH", help="Before somebody meets strangers on it.")] = "1d",
    avoid_sticky: Annotated[bool, typer.Option("--avoid-sticky", help="The same people get another number.")] = False,
    beyond: Annotated[
        bool, typer.Option("--beyond", help="Use another city's numbers when one has none left.")
    ] = False,
    by: ByOption = None,
) -> None:
    """Put X numbers into a pool."""
    policy = PoolPolicy(pairs=pairs, cool_down=_cool_down(cool_down), sticky=not avoid_sticky, beyond=beyond)
    with opened(config) as store:
        try:
            added = MaskPools(store.database, who(by)).add(pool, city, [parse_number(one) for one in numbers], policy)
        except (PoolError, ShownError, TargetError) as error:
            refuse(str(error))
        typer.echo(f"pool {pool}: {added} numbers added" if added else f"pool {pool}: has these numbers already")
        if added:
            typer.echo(tell_of_pools(store.directory))


@pool_app.command(help=_RETIRE_HELP)
def retire(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The X number.")],
    config: ConfigOption = None,
    by: ByOption = None,
) -> None:
    """Give a number out no more."""
    with opened(config) as store:
        try:
            done = MaskPools(store.database, who(by)).retire(parse_number(number))
        except TargetError as error:
            refuse(str(error))
    if not done:
        refuse(f"{number}: in no pool, or retired already")
    typer.echo(f"{number}: is no longer given out")


@pool_app.command(name="list", help=_LIST_HELP)
def list_pools(
    pool: Annotated[str, typer.Argument(metavar="[POOL]", help="One pool, number by number.")] = "",
    config: ConfigOption = None,
    form: FormatOption = "text",
) -> None:
    """List the pools."""
    with opened(config) as store:
        pools = MaskPools(store.database, "")
        if not pool:
            head, rows = ("pool", "city", "numbers", "free", "bindings"), list(_overview(pools, utc_us()))
        else:
            found = pools.numbers(pool)
            if not found:
                refuse(f"no pool is called {pool}; there are {', '.join(pools.names()) or 'none'}")
            head = ("number", "city", "bindings", "state", "")
            rows = [
                (one.number, one.city or "-", str(one.bindings), "retired" if one.retired else "given out", "")
                for one in found
            ]
    if form == "json":
        show_json([{name: text for name, text in zip(head, row, strict=True) if name} for row in rows])
        return
    for line in columns([head, *rows]) if rows else ["no pools"]:
        typer.echo(line)


def _overview(pools: MaskPools, now_us: int) -> Iterator[tuple[str, str, str, str, str]]:
    for name in pools.names():
        loaded = pools.load(name, now_us) or Pool()
        for city in loaded.cities():
            count = loaded.census(city)
            yield name, city or "-", str(count.numbers), str(count.open), str(count.bindings)
    for number, (first, last, check, _) in pools.extension_ranges().items():
        extensions = pools.load_extensions(number)
        total, used = int(last) - int(first) + 1, len(extensions) if extensions is not None else 0
        told = f"extensions {first}-{last}" + (f" and {check} digit" if check != "none" else "")
        yield number, told, str(total), str(total - used), str(used)


@pool_app.command(name="extensions", help=_EXTENSIONS_HELP)
def extensions(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The main number.")],
    first: Annotated[str, typer.Argument(metavar="FIRST", help="The first extension, without check digit.")],
    last: Annotated[str, typer.Argument(metavar="LAST", help="The last one.")],
    config: ConfigOption = None,
    check: Annotated[Literal["none", "luhn", "damm"], typer.Option(help="The check digit appended.")] = "none",
    cool_down: Annotated[str, typer.Option(metavar="LENGTH", help="Before a freed one is given out again.")] = "30d",
    by: ByOption = None,
) -> None:
    """Say which extensions of a main number are given out."""
    with opened(config) as store:
        try:
            MaskPools(store.database, who(by)).set_extensions(
                parse_number(number), first, last, check, _cool_down(cool_down)
            )
        except ValueError as error:
            refuse(str(error))
        typer.echo(f"{number}: extensions {first}-{last} are given out")
        typer.echo(tell_of_pools(store.directory))


@pool_app.command(help=_FORGET_HELP)
def forget(config: ConfigOption = None) -> None:
    """Forget who had numbers of pools long ago."""
    with opened(config) as store:
        typer.echo(f"{MaskPools(store.database, '').forget(utc_us())} releases forgotten")


def _cool_down(text: str) -> float:
    try:
        seconds = 0.0 if text == "0" else duration("--cool-down", text)
    except ValueError as error:
        refuse(str(error))
    if seconds > MAX_COOL_DOWN:
        refuse(f"--cool-down: at most {KEPT_DAYS}d")
    return seconds
