"""The signalling process, executed by the supervisor: `python -m switchboard.signalling`."""

# ruff: noqa: E402 - loading is a sixth quicker when what is loaded, and stays, is not looked through for garbage.
from __future__ import annotations

import gc

gc.disable()

import argparse
import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from config.errors import ConfigError
from config.loader import config_advice, config_error, load_config
from config.schema import Config
from ivr_flows.errors import FlowError
from switchboard.app import Switch
from switchboard.enumerations import spare_hook
from switchboard.first_admin import first_admin
from switchboard.flow_files import load_flows
from switchboard.media_workers import measure_workers, worker_commands
from switchboard.ops.control import Command, ControlServer
from switchboard.ops.http import open_http, serve_http
from switchboard.ops.log import get_logger, setup_log
from switchboard.store.database import DatabaseError, fault_of
from switchboard.store.keys import KeyFileError
from switchboard.store.store import DATABASE_NAME, Store
from switchboard.streams import check_certificates

REPORT_SECONDS = 0.5
LAST_WORDS_SECONDS = 0.5


class Orders:
    """The supervisor's end of the channel: what it orders, and reports back to it."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self.drain = asyncio.Event()
        self.stop = asyncio.Event()
        self.orphaned = False
        self.drain_seconds = 0.0
        self.draining: tuple[int, ...] = ()
        """Media workers that were drained before we came."""
        self.worker_added: Callable[[int, str], None] | None = None
        """Told the number and the socket of a media worker that was asked for."""

    def equipment(self) -> tuple[list[socket.socket], dict[int, str], int]:
        """Wait for the first message: SIP sockets, sockets of the workers by number, number of restarts."""
        payload, descriptors, _, _ = socket.recv_fds(self._socket, 65536, 32)
        message = msgspec.msgpack.decode(payload)
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        self.draining = tuple(message.get("draining", ()))
        return sockets, dict(message["workers"]), message["restarts"]

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to listen to orders."""
        self._socket.setblocking(False)
        loop.add_reader(self._socket, self._readable, loop)

    def say(self, **message: object) -> None:
        """Report; the supervisor may be gone or slow, that is no trouble of ours."""
        try:
            self._socket.send(msgspec.msgpack.encode(message))
        except OSError:
            return

    def _readable(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            payload = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            payload = b""
        if not payload:
            loop.remove_reader(self._socket)
            self.orphaned = True
            self.drain.set()
            return
        message = msgspec.msgpack.decode(payload)
        if "worker" in message and self.worker_added is not None:
            self.worker_added(*message["worker"])
        if "drain" in message:
            self.drain_seconds = float(message["drain"])
            self.drain.set()
        if "stop" in message:
            self.drain.set()
            self.stop.set()


async def serve(config: Config, switch: Switch, orders: Orders, began: float) -> None:
    """Run the switch until it is told to stop."""
    loop = asyncio.get_running_loop()
    orders.watch(loop)
    await switch.plane.start()
    if switch.edge is not None and not await switch.edge.start():
        switch.log.error("webrtc.edge_missing")
    await switch.locator.prepare(float(config.dns.timeout))
    switch.start(loop)
    control = ControlServer(switch.store.directory / "control.sock", {**switch.commands(), **_workers(switch, orders)})
    await control.start()
    # The little garbage that loading has left stays as well: finding it would take a tenth of the time of a start.
    gc.freeze()
    gc.enable()
    # Calls leave no cycles behind; with thousands of transactions alive the usual thresholds only cost time.
    gc.set_threshold(50_000, 20, 100)
    web = open_http(config.http)
    admin = first_admin(switch.store) if config.http.enabled else None
    orders.say(ready=True, seconds=time.monotonic() - began, admin=admin or "", web=web is not None)
    tasks = [
        loop.create_task(work)
        for work in (
            _report(switch, orders),
            switch.flow_reload.watch(),
            switch.announcer.watch(),
            switch.retention.watch(),
            switch.locator.watch(),
            switch.registrations.watch(),
        )
    ]
    tasks.append(loop.create_task(switch.make_ready()))
    # What speech has loaded stays as well; looking it through would hold the loop up for 20 ms at a time.
    tasks[-1].add_done_callback(lambda _: gc.freeze())
    if web is not None:
        tasks.append(loop.create_task(serve_http(web, config.http, switch.metrics, switch.health, switch.build_api)))
    await orders.drain.wait()
    await _drain(switch, orders)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await switch.registrations.close()
    await switch.backends.close()
    await switch.voice.close()
    await control.close()
    await switch.plane.close()
    if switch.edge is not None:
        await switch.edge.close()
    switch.stop()


def _workers(switch: Switch, orders: Orders) -> dict[str, Command]:
    """Workers come and go by command: the supervisor has their processes, the plane their calls."""
    workers = switch.workers
    orders.worker_added = workers.add
    workers.on_drain = lambda number: orders.say(drain_worker=number)
    workers.on_empty = lambda number: orders.say(retire_worker=number)
    for number in orders.draining:
        workers.drain_on(number)
    measure_workers(switch.metrics, workers)
    return worker_commands(workers, lambda: orders.say(add_worker=True))


async def _report(switch: Switch, orders: Orders) -> None:
    last = -1
    while True:
        active = len(switch.exchange.calls)
        if active != last:
            orders.say(active=active)
            last = active
        await asyncio.sleep(REPORT_SECONDS)


async def _drain(switch: Switch, orders: Orders) -> None:
    """Take no new calls, wait for those that are up; hang up what is left when the time is over."""
    switch.drain()
    orders.say(draining=len(switch.exchange.calls))
    until = time.monotonic() + orders.drain_seconds
    while switch.exchange.calls and not orders.stop.is_set():
        if not orders.orphaned and time.monotonic() >= until:
            break
        await asyncio.sleep(0.05)
    switch.driver.run(switch.engine.end_all)
    switch.driver.run(switch.exchange.carriers.stop)
    until = time.monotonic() + LAST_WORDS_SECONDS
    # What ends is counted in several places, and polling harms nobody in the last half second:
    while time.monotonic() < until and (switch.exchange.calls or switch.core.counts()["client_transactions"]):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    orders.say(drained=True, active=len(switch.exchange.calls))


def open_log(config: Config, file: Path) -> None:
    """Begin to log; raises ConfigError when the file cannot be written."""
    try:
        setup_log(config.log)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise config_error(file, "log.file", f"{config.log.file} cannot be written: {reason}", "name another") from None


def main() -> int:
    """Entry point; returns the exit status."""
    began = time.monotonic()
    spare_hook()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parser = argparse.ArgumentParser(prog="switchboard.signalling", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the configuration file")
    parser.add_argument("--supervisor-fd", type=int, required=True, help="inherited channel")
    arguments = parser.parse_args()
    orders = Orders(arguments.supervisor_fd)
    sockets, workers, restarts = orders.equipment()
    try:
        config = load_config(arguments.config)
        open_log(config, arguments.config)
        check_certificates(config, arguments.config)
        for advice in config_advice(config, arguments.config):
            get_logger().warning("config.advice", text=advice)
        flows = load_flows(config, arguments.config)
        store = Store(Path(config.store.directory).absolute(), fresh=config.store.fresh and restarts == 0)
        switch = Switch(config, sockets[0], workers, store, flows, arguments.config, streams=sockets[1:])
    except (ConfigError, FlowError, DatabaseError, KeyFileError, OSError, ValueError) as error:
        orders.say(failed=str(error))
        return 1
    except SQLAlchemyError as error:
        orders.say(failed=fault_of(Path(config.store.directory, DATABASE_NAME), error))
        return 1
    try:
        uvloop.run(serve(config, switch, orders, began))
    except TimeoutError:
        orders.say(failed="the media workers do not answer; see the messages above")
        return 1
    except SQLAlchemyError as error:
        orders.say(failed=fault_of(store.database.path, error))
        return 1
    finally:
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
