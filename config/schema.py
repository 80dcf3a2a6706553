"""What may be written in the configuration file: one struct a section, unknown keys are errors.

Addresses are IP literals. Relative paths under ``flows`` and ``media.prompts`` are taken from the
directory of the file that names them; ``store.directory`` and ``log.file`` from the working directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, field

from config.media_schema import Codecs, Media, Srtp, WebRtc
from config.queue_schema import Agent, Group
from config.section import Name, Port, Section, Text
from config.sip_schema import Sip
from config.trunk_schema import Channels, Gateway, Headers, Login, Numbers, Options, Rate, Register
from config.values import Duration, ExtensionRange, Hidden

Dtmf = Literal["auto", "rfc4733", "info", "inband"]
Digest = Literal["sha-256", "md5"]
BOTH_DIGESTS: Final[tuple[Digest, ...]] = ("sha-256", "md5")


class Limits(Section, frozen=True):
    """Bounds that protect the switch and its callers."""

    calls: Annotated[int, Meta(ge=1)] = 5000
    """Calls at a time; further ones get 503."""
    ring_timeout: Duration = Duration(30.0)
    """How long a called party rings, where nothing else says."""
    call_duration: Duration = Duration(4 * 3600.0)
    """From the INVITE to the end that the switch then makes."""
    drain: Duration = Duration(10.0)
    """How long calls may go on after the first SIGTERM."""
    dead_media: Literal["either", "both", "off"] = "either"
    """A party from which neither audio nor RTCP comes for ``media.silence`` in a talk, and that does not hold, is gone:
    the call ends when one of them is (``either``), when all are (``both``), or never for that reason (``off``)."""


class Trunk(Section, frozen=True):
    """A carrier, known by the address it sends from.

    The most specific entry of ``from`` wins: ``ip:port``, then a single address, then the longest prefix.
    Phones may share its host: REGISTER is always taken with digest, and an INVITE whose source is the
    contact of a current registration comes from that phone, whatever ``from`` says.
    """

    name: Name
    """What rules, commands, records and metrics call it."""
    from_: tuple[str, ...] = field(name="from", default=())
    """Left out: the addresses of ``to`` or ``gateways``, also all that their names lead to."""
    to: str | None = None
    """Where calls to it go, as ``to`` of a gateway; None for a carrier with ``gateways``, or that only sends calls."""
    gateways: tuple[Gateway, ...] = ()
    """Its places, where there are several."""
    transport: Literal["udp", "tcp", "tls", "any"] = "udp"
    """How calls go to it; other than by UDP only where sip.listen has that transport. ``any``: as the NAPTR and SRV
    records of its name want it (RFC 3263), of those that we have."""
    certificate_name: str | None = None
    """The name that its TLS certificate must have, when it is not the address of ``to``."""
    nat: bool = False
    """It is behind a NAT: what its Contact and SDP name cannot be reached, so it is where its packets come from."""
    audio_from: str = ""
    """For a carrier that sends audio from elsewhere than its SDP says it hears: ``sdp`` where that is another port of
    the same host, else the address. What it hears then goes where its SDP says and nowhere else, and what comes is
    taken from that address alone. Left out: it is sent to where it sends from (symmetric RTP, RFC 4961)."""
    landing: dict[str, str] = field(default_factory=dict)
    """Landing numbers of this carrier and the published number that each stands for."""
    srtp: Srtp | None = None
    """Whether its calls are secured, where it is not as ``media.srtp`` says."""
    dtmf: Dtmf = "auto"
    """In which form it is sent keys, as for an account."""
    trusted: bool = True
    """Whether the P-Asserted-Identity of its calls is believed (RFC 3325), else From says who calls. What it is told
    itself is a rule of ``headers``: ``{set: P-Asserted-Identity, to: "<sip:{shown}@{domain}>"}``."""
    login: Login | None = None
    """The account at the carrier, for its challenges and for ``register``."""
    register: Register | None = None
    """Without it we do not register."""
    domain: str | None = None
    """The host of Request-URI, From and To in requests to it; left out: its address, and ours in From."""
    from_user: str | None = None
    """The user in From, for carriers that want their account there; left out: the number shown."""
    channels: Channels = 0
    """The most calls at a time, both ways and over all gateways; 0: no limit."""
    cps: Rate = 0
    """The most calls begun in any second; 0: no limit."""
    failover: tuple[int | str, ...] = (408, 500, 502, 503, 504)
    """Statuses after which the next gateway, or trunk, is tried; ``5xx`` stands for all of them. The answers of who is
    called (busy, declined, unknown) never lead on. 408 is silence too, 503 a place that nobody reaches."""
    silence: Duration = Duration(4.0)
    """A gateway that has not answered anything for so long is silent, and the next is tried."""
    hours: str = ""
    """When calls go out to it, as hours of a group: ``mon-fri 08:00-20:00``; empty: always."""
    options: Options = Options()
    """How its gateways are watched."""
    numbers: Numbers = Numbers()
    """How numbers are rewritten, on the way in and out."""
    headers: Headers = Headers()
    """Header lines that are added, set or removed, on the way in and out."""
    codecs: Codecs | None = None
    """Left out: those of ``media``."""
    disabled: bool = False
    """Known, but neither used nor registered at; `switchboard trunks enable NAME` switches it on while it runs."""


class Account(Section, frozen=True):
    """A softphone's account for digest authentication."""

    user: Name
    """It registers as ``user@`` and ``sip.domain``."""
    password: Hidden
    """For digest; in the clear here, so the file is for the switch's eyes."""
    pin: Hidden | None = None
    """4 to 8 digits that open its mailbox from other phones; without it only the account's own phone does."""
    srtp: Srtp | None = None
    """Whether the calls of its phones are secured, where it is not as ``media.srtp`` says."""
    dtmf: Dtmf = "auto"
    """In which form its phones are sent keys: telephone-events (RFC 4733) where they were agreed on, else tones in the
    audio (``auto`` and ``rfc4733``); ``info``: SIP INFO; ``inband``: always tones, which are searched for in what such
    a phone says as well. Keys are taken from it in any form."""
    watches: tuple[str, ...] = ()
    """Users of other accounts whose lines its phones may watch (lamps, RFC 4235); ``["*"]``: anybody's. Its own and
    those of agents in a group with its agent they always may; others are refused (403)."""
    digest: tuple[Digest, ...] = BOTH_DIGESTS
    """The algorithms by which its phones are challenged, in this order, and may prove themselves (RFC 8760). Some
    phones give up where any is offered that they do not know: theirs is ``[md5]``. Who asks to be challenged in an
    account's name can tell that it is not like the others."""


class Registrations(Section, frozen=True):
    """What phones are granted when they register, and how much of it."""

    min_expires: Duration = Duration(60.0)
    """A shorter time is refused (423), so that phones do not register all the time."""
    max_expires: Duration = Duration(3600.0)
    """A longer time is shortened to this."""
    default_expires: Duration = Duration(600.0)
    """For phones that ask for no time."""
    contacts: Annotated[int, Meta(ge=1, le=100)] = 10
    """Phones of one account; more are refused (403)."""
    rung: Annotated[int, Meta(ge=1, le=10)] = 5
    """So many phones of an account are rung by one call: those with the highest q at once, then the others."""
    patience: Duration = Duration(15.0)
    """Phones with a lower q are rung after so long, if nobody has answered; 0: once the others have refused."""
    most: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    """Phones in all; more are refused (503)."""
    rate: Annotated[float, Meta(gt=0)] = 2.0
    """REGISTERs a second of one account on average; more are refused for a while (500)."""
    burst: Annotated[int, Meta(ge=1)] = 60
    """So many of them may come at once."""
    source_rate: Annotated[float, Meta(gt=0)] = 1000.0
    """REGISTERs a second from one host on average, a proxy or an office; more are passed over in silence."""
    source_burst: Annotated[int, Meta(ge=1)] = 50_000
    """So many of them may come at once."""
    keep_alive: Duration = Duration(30.0)
    """Phones behind a NAT are asked by OPTIONS this often over UDP, so that the way to them stays open; 0: never."""
    unanswered: Annotated[int, Meta(ge=1, le=100)] = 3
    """A phone that leaves so many of them in a row without any answer is registered no more."""
    flow_timer: Duration = Duration(120.0)
    """How often phones that keep a flow are told to send keep-alives over it (RFC 5626); 0: they are not told."""


class Number(Section, frozen=True):
    """What a called number does: exactly one of flow, target, mask and group."""

    number: str
    """In full, or the beginning of many: ``0108888*``. The longest that fits counts."""
    flow: str | None = None
    """The flow that answers, by its name."""
    target: str | None = None
    """``sip:…`` or ``aor:…``, an account. Who answers 3xx is followed to an account of ours that is no agent's, and
    from a ``sip:`` address to others of the same host, unless that is a trunk's; never to a number."""
    mask: bool = False
    """The extension dialled with the number, or the binding of an X number, is looked up at once, without a flow."""
    group: str | None = None
    """The skill group whose queue callers join, answered at once and without a flow."""
    variables: dict[str, str | int] = field(default_factory=dict)
    """Variables given to the flow, also to that of ``failed``; they win over the flow's own."""
    failed: str | None = None
    """With ``mask`` or ``group``: the flow that takes a call which finds nobody, with the variable ``reason`` and,
    of a masked number's binding, ``store``, ``city`` and ``label``."""
    record: bool = False
    """Record the talk, in stereo: the caller left, the called party right."""


class Mask(Section, frozen=True):
    """An extension, or a range of them, behind a number and where it leads.

    One of ``extension`` and ``extensions``; either ``target`` (``sip:…`` or ``aor:…``, in which
    ``{extension}`` is filled in) or ``real`` with ``trunk`` and ``shown``.
    """

    number: str
    """The main number."""
    extension: str | None = None
    """One to six digits."""
    extensions: ExtensionRange | None = None
    """``100000-299999``: all of them, bound alike."""
    target: str | None = None
    """An account or a SIP address; it is not hidden."""
    real: Hidden | None = None
    """The hidden number behind it, encrypted in the store and masked everywhere else."""
    trunk: str | None = None
    """The trunk that dials ``real``."""
    shown: str | None = None
    """The number that the called party sees; never a 400 or 800 number."""


class Outbound(Section, frozen=True):
    """How flows dial public numbers (``tel:…``)."""

    trunk: str | tuple[str, ...]
    """A trunk, or several: each is tried when those before it are full, closed or fail."""
    shown: str
    """The number the called party sees; never a 400 or 800 number."""

    @property
    def trunks(self) -> tuple[str, ...]:
        """The trunks in their order."""
        return (self.trunk,) if isinstance(self.trunk, str) else self.trunk


class Parking(Section, frozen=True):
    """Slots in which calls wait with music until an agent takes them up."""

    slots: Annotated[int, Meta(ge=1, le=1000)] = 20
    """So many, from 1 on."""
    timeout: Duration = Duration(120.0)
    """Whoever has parked a call is rung again when nobody has taken it up in this time."""
    prefix: str = "*71"
    """Dialled by an agent's phone with the slot after it (``*715``), it takes up who is parked there; a phone that
    transfers its call to it parks the call in that slot. Of nobody else it does anything. "": slots are not dialled."""

    def dialled(self) -> Iterator[tuple[str, str]]:
        """Each slot, and what is dialled for it."""
        if self.prefix:
            yield from ((str(slot), f"{self.prefix}{slot}") for slot in range(1, self.slots + 1))


class Calendar(Section, frozen=True):
    """What time it is for flows. China's announced holidays and working weekends (调休) are built in."""

    zone: str = "Asia/Shanghai"
    """Of all hours and dates, by its name in the tz database."""
    holidays: dict[str, str] = field(default_factory=dict)
    """Days off by date, ``2026-10-08: 中秋``, in addition to the built-in ones."""
    workdays: tuple[str, ...] = ()
    """Dates on which people work, whatever else says otherwise."""


class Speech(Section, frozen=True):
    """Text to speech for what flows say."""

    engine: Literal["espeak", "none"] = "espeak"
    """``none``: nothing is spoken; what only speech could say is a beep."""
    megabytes: Annotated[int, Meta(ge=1)] = 256
    """Room for spoken texts that are kept, in ``speech`` below ``store.directory``."""


class Recording(Section, frozen=True):
    """Where recordings and voice messages are written."""

    directory: Text | None = None
    """``recordings`` below ``store.directory`` when it is left out."""
    encrypt: bool = False
    """Seal recordings and voice messages with AES-256-GCM as they are written; the keys are ``recording-N.key``
    in ``keys`` below ``store.directory``, made at the first use: back them up. What is plain stays as it is."""
    format: Literal["wav", "ogg"] = "wav"
    """``ogg``: after a call its recording becomes Ogg Opus, a sixth of the size or less. Voice messages stay wav."""
    keep: Duration | None = None
    """How long recordings are kept, ``180d``, a day at least; older ones are deleted at the start and once a day, by
    whole days, and their records say when. For ever without it."""
    keep_messages: Duration | None = None
    """The same of voice messages, which vanish from their boxes."""


class Regions(Section, frozen=True):
    """Where numbers are from (归属地)."""

    overrides: str | None = None
    """A CSV file, ``prefix,province,city,carrier``, whose lines win over the built-in data."""


class Store(Section, frozen=True):
    """Where the database, the journal, the keys and the control socket live."""

    directory: Text = "var"
    """Made where it is missing; one switch at a time has it."""
    fresh: bool = False
    """Empty the database and the journal when the switch starts (not when its signalling is restarted)."""


class Http(Section, frozen=True):
    """Where the API, /metrics and /health are served."""

    host: str = "127.0.0.1"
    """An IP literal; other than a loopback address it should be behind a proxy with TLS."""
    port: Port = 8080
    """A port that is taken leaves the switch without API, and calls go on."""
    enabled: bool = True
    """Without it there is no API, no /metrics and no /health."""
    metrics_token: Hidden | None = None
    """With it as a bearer token /metrics is served to other hosts too."""


class Log(Section, frozen=True):
    """What is logged, how and where to."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""
    format: Literal["console", "json"] = "console"
    """``json``: one object a line, for programs."""
    file: str | None = None
    """Left out: standard error. A file that is moved away by log rotation is opened anew under its name."""


class Sources(Section, frozen=True):
    """What sources may do that are neither trunks nor registered phones, both of which are never blocked."""

    block: tuple[str, ...] = ()
    """Addresses and networks from which nothing is taken."""
    scanners: tuple[str, ...] = ()
    """Parts of the User-Agent of programs that get silence, beside those that are known."""
    rate: Annotated[float, Meta(gt=0)] = 200.0
    """Requests a second from one address, and ``burst`` at once; more are passed over."""
    burst: Annotated[float, Meta(ge=1)] = 2000.0
    failures: Annotated[int, Meta(ge=1)] = 20
    """So many wrong passwords and unknown accounts within ``window`` silence an address."""
    window: Duration = Duration(60.0)
    """For how long failures are counted."""
    silence: Duration = Duration(600.0)
    """How long a silenced address gets no answer."""


class Dns(Section, frozen=True):
    """Where names of carriers and targets are looked up (RFC 3263). Calls never wait for it: names of the configuration
    are known from the start and kept fresh; what failed is tried last for a while. A name in a Contact or Record-Route
    is asked for when it is met; until it is known the peer is where it has spoken from."""

    servers: tuple[str, ...] = ()
    """``address`` or ``address:port``; those of the system where none is named."""
    timeout: Duration = Duration(3.0)
    """For all tries of one question; so long does the start wait for names at most."""


class Trace(Section, frozen=True):
    """The latest SIP messages, kept in memory for ``switchboard trace``."""

    calls: Annotated[int, Meta(ge=1, le=1_000_000)] = 2000
    """Calls, the latest ones, whose messages can be found; what came before the first of them is not kept."""
    megabytes: Annotated[int, Meta(ge=0, le=65536)] = 64
    """Room for messages, the latest ones; with 0 none are kept."""


class Overload(Section, frozen=True):
    """When new calls are refused with 503 so that those that are up do not suffer."""

    delay: Duration = Duration(0.25)
    """While signalling waits longer, for 300 ms at least, more and more new calls are refused; 0 looks at none."""
    megabytes: Annotated[int, Meta(ge=0)] = 4096
    """As much memory of the signalling process does the same; 0 looks at none."""
    retry_after: Duration = Duration(5.0)
    """When callers are told to try again, up to twice as late, so that they do not all come at once."""


class Config(Section, frozen=True):
    """The whole configuration."""

    sip: Sip = Sip()
    media: Media = Media()
    webrtc: WebRtc = WebRtc()
    limits: Limits = Limits()
    trunks: tuple[Trunk, ...] = ()
    accounts: tuple[Account, ...] = ()
    registrations: Registrations = Registrations()
    numbers: tuple[Number, ...] = ()
    masks: tuple[Mask, ...] = ()
    outbound: Outbound | None = None
    """Without it flows dial no public numbers."""
    parking: Parking = Parking()
    groups: tuple[Group, ...] = ()
    agents: tuple[Agent, ...] = ()
    calendar: Calendar = Calendar()
    speech: Speech = Speech()
    recording: Recording = Recording()
    regions: Regions = Regions()
    flows: tuple[str, ...] = ()
    """Directories or files with flows, beside the packaged library."""
    sources: Sources = Sources()
    overload: Overload = Overload()
    dns: Dns = Dns()
    trace: Trace = Trace()
    store: Store = Store()
    http: Http = Http()
    log: Log = Log()
    demo: bool = False
    """Print the sample accounts at start; allowed on loopback addresses only."""
