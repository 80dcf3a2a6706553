"""A switch in memory behind the API: a real store, real queues and calls over a network that is carried by hand."""

from __future__ import annotations

import contextlib
import functools
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar
from litestar.testing import TestClient

from config.loader import load_config
from config.schema import Config
from routing.acd.engine import Engine
from routing.acd.model import Agent, Group
from routing.dialplan import DialPlan, Entry
from routing.masks.table import MaskTable
from routing.trunks import Trunks
from switchboard.api.access_tokens import AccessTokens
from switchboard.api.audit_trail import AuditTrail
from switchboard.api.lockout import Lockout
from switchboard.api.pace import Pace, Rate
from switchboard.api.principal import Principal
from switchboard.api.resources import Parts
from switchboard.api.services import Services
from switchboard.api.serving import SwitchApi
from switchboard.api.types import Role
from switchboard.calls.call import Call
from switchboard.calls.control import command
from switchboard.calls.desk import Desk
from switchboard.directory import Directory
from switchboard.flow_reload import FlowReload
from switchboard.net.message_ring import MessageRing
from switchboard.ops.health import Health
from switchboard.ops.metrics import Metrics
from switchboard.ops.web import build_pages
from switchboard.passwords import hash_password
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.store.masks import apply_changes
from switchboard.store.records import CallRecord
from switchboard.store.store import Store
from switchboard.trunk_control import TrunkControl
from tests.support.exchange import SWITCH, Address, Peer, World

AGENTS = ("anna", "ben", "carl")
QUEUE = "4003"
CALLER = "13900009999"
CONFIG = """
sip: {domain: switchboard.local}
trunks: [{name: bench, from: [127.0.0.2], to: "127.0.0.3:5190"}]
accounts: [{user: alice, password: alice-secret-1}]
numbers: []
"""


hashed = functools.cache(hash_password)
"""What takes as long as it is meant to, once for each password."""


class Clock:
    """Seconds that pass when told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """The seconds now."""
        return self.now


class ApiSwitch:
    """The switch, three agents with phones in the group sales, and clients of each role."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.world = World()
        self.x = x = self.world.exchange
        (directory / "store").mkdir()
        self.store = Store(directory / "store")
        self.recordings = directory / "recordings"
        self.recordings.mkdir()
        x.secrets, x.journal = self.store.vault, self.store.journal
        x.callbacks, x.mailboxes = self.store.callbacks, self.store.voicemail
        began = time.time()
        x.utc_us = lambda now: int((began + now) * 1e6)
        (directory / "switch.yaml").write_text(CONFIG)
        self.config = load_config(directory / "switch.yaml")
        self.table = MaskTable()
        plan = DialPlan([Entry(number=QUEUE, group="sales"), Entry(number="4008001234", mask=True)])
        x.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), self.table)
        self.engine = Engine(random.Random(1).random, self.world.clock.local)
        self.desk = Desk(x, self.engine)
        self.phones = {name: Peer((f"127.0.1.{n}", 5190), self.world.token, name) for n, name in enumerate(AGENTS, 1)}
        self.world.peers.update({peer.address: peer for peer in self.phones.values()})
        now = self.world.now
        for name in ("care", "sales"):
            self.desk.set_group(Group(name=name, wrap_up=5.0), now)
        for name in AGENTS:
            groups = {"care": 1} if name == "carl" else {"sales": 1}
            self.desk.set_agent(Agent(id=name, phone=self.target(name), groups=groups, skills={"en": 3}), now)
        self.clock = Clock(began)
        self.lamps: list[str] = []
        self.ring = MessageRing(octets=1 << 20, calls=100)
        x.note_dialog = self.ring.note
        self.world.watch = self._keep
        self.services = Services(
            users=self.store.users,
            refresh_tokens=self.store.refresh_tokens,
            audit=self.store.audit,
            vault=self.store.vault,
            run=self.run,
            tokens=AccessTokens(self.clock, b"k" * 32),
            clock=self.clock,
            utc=self.clock,
            pace=Pace(self.clock, {name: Rate(1e6, 1e6) for name in ("user", "address", "login", "find")}),
            lockout=Lockout(self.clock),
        )
        self.flows = {flow.name: flow for flow in x.flows.versions()}
        self.trunks = TrunkControl(
            x, self.config, lambda: load_config(directory / "switch.yaml"), self._look_up, self._take_trunks, self.run
        )
        self.parts = Parts(
            services=self.services,
            config=self.config,
            store=self.store,
            exchange=x,
            desk=self.desk,
            engine=self.engine,
            command=command,
            flows=FlowReload(x, lambda: self.flows, ()),
            trunks=self.trunks,
            load_flows=lambda: self.flows,
            health=Health(),
            recordings=self.recordings,
            apply_masks=self._apply_masks,
            light_lamp=self.lamps.append,
            trail=AuditTrail(self.store.audit, self.clock),
            ring=self.ring,
        )
        self.api = SwitchApi(self.parts, wrong_seconds=0.0)
        self.app = self.api.build(build_pages(Metrics(), Health()))

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def run(self, step: Any) -> None:
        """The driver's `run`: a step, and what follows from it."""
        step(self.world.now)
        self.world.run()

    def _keep(self, source: Address, destination: Address, data: bytes) -> None:
        if destination == SWITCH:
            self.ring.keep(self.world.now, False, [(data, source)], len(data))
        elif source == SWITCH:
            self.ring.keep(self.world.now, True, [(data, destination)], len(data))

    async def _look_up(self, config: Config) -> None:
        """There are only addresses."""

    def _take_trunks(self, config: Config, sources: Trunks) -> None:
        assert isinstance(self.x.routing, Directory)
        self.x.routing.set_trunks(sources)

    async def _apply_masks(self, ids: Sequence[str]) -> None:
        apply_changes(self.table, self.store.read_mask_changes(ids, ()))

    def target(self, name: str) -> str:
        """Where an agent's phone is."""
        host, port = self.phones[name].address
        return f"sip:{name}@{host}:{port}"

    # --- who asks ---

    def token(self, role: Role, agent: str = "", name: str = "") -> str:
        """An access token."""
        who = name or agent or role
        return self.services.tokens.issue(Principal(id=f"id-{who}", name=who, role=role, agent=agent, session=who))

    def headers(self, role: Role, agent: str = "") -> dict[str, str]:
        """What a client of a role sends."""
        return {"Authorization": f"Bearer {self.token(role, agent)}"}

    def account(self, name: str, role: Role, agent: str = "", *, must_change: bool = False) -> str:
        """An account that can sign in; its password."""
        password = f"password of {name}"
        now_us = int(self.clock() * 1e6)
        self.store.users.create(name, role, hashed(password), now_us=now_us, agent=agent, must_change=must_change)
        return password

    # --- what happens ---

    def dial(self, number: str = QUEUE) -> OutgoingRequest:
        """The carrier's caller calls a number."""
        out, _ = self.world.dial(number, caller=CALLER)
        return out

    def talk(self, agent: str = "anna") -> tuple[Call, OutgoingRequest]:
        """A caller from the queue and an agent talk."""
        self.run(lambda now: self.desk.sign_in(agent, agent, now))
        out = self.dial()
        self.world.agent_answers(self.phones[agent])
        self.world.within(self.world.carrier, out, "ACK", 1)
        return next(reversed(self.x.calls.values())), out

    def hang_up(self, out: OutgoingRequest) -> CallRecord:
        """The caller hangs up; the record as it is stored."""
        call = next(reversed(self.x.calls))
        self.world.within(self.world.carrier, out, "BYE", 2)
        self.world.advance(5)
        self.store.loader.flush()
        record = self.store.calls.get(call)
        assert record is not None
        return record


class Client:
    """Requests of one role, answered from the switch in memory."""

    def __init__(self, client: TestClient[Litestar], headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    def __call__(self, method: str, path: str, status: int = 200, *, json: Any = None, **more: Any) -> Any:
        """Ask; the decoded answer, whose status must be that."""
        headers = {**self._headers, **more.pop("headers", {})}
        if json is not None:
            more["content"], headers["Content-Type"] = msgspec.json.encode(json), "application/json"
        self.answer = self._client.request(method, f"/api/v1{path}", headers=headers, **more)
        assert self.answer.status_code == status, self.answer.text
        if "json" in self.answer.headers.get("content-type", ""):
            return self.answer.json()
        return self.answer.content


@contextlib.contextmanager
def served(app: Litestar) -> Iterator[str]:
    """The address of an application on a socket, served by a thread of its own."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        settings = uvicorn.Config(app, log_config=None, lifespan="off", ws="websockets-sansio", http="h11")
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        until = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        server.should_exit = server.force_exit = True
        thread.join(10)


@contextlib.contextmanager
def api_switch(directory: Path) -> Iterator[ApiSwitch]:
    """One for the time of a test."""
    switch = ApiSwitch(directory)
    try:
        yield switch
    finally:
        switch.close()
