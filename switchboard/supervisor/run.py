"""`switchboard run`: check, claim, bind, then hand over to the supervisor's loop."""

from __future__ import annotations

import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from config.errors import ConfigError
from config.loader import DEFAULT, config_error, load_config
from config.schema import Config
from switchboard.supervisor import limits
from switchboard.supervisor.banner import room, unusable
from switchboard.supervisor.child import Child
from switchboard.supervisor.claim import ClaimError, PidFile, StoreLock
from switchboard.supervisor.listeners import ListenError, bind_listeners, check_media_address
from switchboard.supervisor.ports import PortPool
from switchboard.supervisor.says import complain, say
from switchboard.supervisor.supervisor import Supervisor, Worker
from switchboard.supervisor.wakeup import Wakeup

RECORDER: Final = "recorder.sock"
EDGE: Final = "edge.sock"
"""Of the WebRTC edge; signalling knows it by this name, too."""
KEYS: Final = "keys"
FINISHED: Final = "finished"
"""The directory below the store's by which the recorder tells of complete files."""
# Directories below the store's: rendered texts, prompts converted to 8 kHz, prompts made where files are missing.
SPEECH: Final = "speech"
CONVERTED: Final = "converted"
MADE: Final = "prompts"
_LONGEST_SOCKET_PATH = 100  # sun_path holds 108 octets


class Modules(NamedTuple):
    """The Python modules that are executed as children."""

    signalling: str = "switchboard.signalling"
    worker: str = "media.worker"
    recorder: str = "media.recorder"
    edge: str = "media.edge"
    backend: tuple[str, ...] = ("bench", "backend")


def run(
    config_path: Path | None = None,
    pid_file: Path | None = None,
    cpus: str | None = None,
    *,
    modules: Modules | None = None,
) -> int:
    """Run the switch until it is stopped and return the exit status; what is wrong is said in one line."""
    began = time.monotonic()
    try:
        config = load_config(config_path)
        if cpus:
            limits.pin(cpus)
        with ExitStack() as stack:
            supervisor = _prepare(config, config_path or DEFAULT, pid_file, modules or Modules(), stack)
            return supervisor.run(began)
    except (ConfigError, ListenError, ClaimError, ValueError) as problem:
        complain(str(problem))
        return 1


def _prepare(config: Config, file: Path, pid_file: Path | None, modules: Modules, stack: ExitStack) -> Supervisor:
    store = Path(config.store.directory).absolute()
    if len(str(store / "media-00.sock").encode()) > _LONGEST_SOCKET_PATH:
        raise config_error(file, "store.directory", "the path is too long for the sockets in it", "shorten it")
    lock = StoreLock(store)
    stack.callback(lock.release)
    wakeup = Wakeup()
    stack.callback(wakeup.close)
    listeners = bind_listeners(config, file)
    for _, sock in listeners:
        stack.callback(sock.close)
    check_media_address(config, file)
    if pid_file is not None:
        stack.callback(PidFile(pid_file).remove)
    descriptors = limits.raise_open_files()
    pairs = limits.port_pairs(descriptors)
    pool = PortPool(config.media.address, config.media.ports, pairs, config.media.address6)
    if line := room(config.media.ports.pairs, pairs, descriptors):
        say(line)
    signalling = Child(
        "signalling", [modules.signalling, "--config", str(file.absolute())], inherited=[lock.descriptor]
    )
    stack.callback((store / "control.sock").unlink, missing_ok=True)
    recordings = Path(config.recording.directory or store / "recordings").absolute()
    if line := unusable(recordings):
        say(line)

    def worker(number: int) -> Worker:
        return _worker(config, number, store, recordings, modules)

    workers = [worker(number) for number in range(config.media.workers)]
    recorder = Child("recorder", _recorder(config, store, recordings, modules))
    stack.callback((store / RECORDER).unlink, missing_ok=True)
    edge = Child("WebRTC edge", _edge(config, store, modules)) if config.webrtc.wanted(config.sip.listen) else None
    stack.callback((store / EDGE).unlink, missing_ok=True)
    extras = [Child("demonstration backend", [*modules.backend])] if config.demo else []
    return Supervisor(config, listeners, pool, signalling, workers, worker, recorder, wakeup, extras, edge)


def _recorder(config: Config, store: Path, recordings: Path, modules: Modules) -> list[str]:
    arguments = [modules.recorder, "--socket", str(store / RECORDER), "--directory", str(recordings)]
    arguments += ["--spool", str(store / FINISHED), "--keys", str(store / KEYS)]
    arguments += ["--seal"] if config.recording.encrypt else []
    return [*arguments, "--ogg"] if config.recording.format == "ogg" else arguments


def _edge(config: Config, store: Path, modules: Modules) -> list[str]:
    webrtc, inside = config.webrtc, config.media.address
    arguments = [modules.edge, "--socket", str(store / EDGE), "--inside", inside]
    arguments += ["--addresses", *(webrtc.addresses or (inside,)), "--external", webrtc.external]
    arguments += ["--ports", str(webrtc.ports.first), str(webrtc.ports.last)]
    return [*arguments, "--sessions", str(webrtc.sessions), "--patience", str(float(webrtc.patience))]


def _worker(config: Config, number: int, store: Path, recordings: Path, modules: Modules) -> Worker:
    path = store / f"media-{number}.sock"
    arguments = [modules.worker, "--id", str(number), "--socket", str(path)]
    arguments += ["--address", config.media.address, "--silence", str(float(config.media.silence))]
    arguments += ["--address6", config.media.address6] if config.media.address6 else []
    arguments += ["--recorder", str(store / RECORDER), "--speech", str(store / SPEECH)]
    arguments += ["--converted", str(store / CONVERTED), "--recordings", str(recordings)]
    arguments += ["--keys", str(store / KEYS)]
    arguments += ["--prompts", *config.media.prompts, *_packaged_prompts(), str(store / MADE)]
    return Worker(number, arguments, path)


def _packaged_prompts() -> list[str]:
    package = find_spec("ivr_flows")
    locations = package.submodule_search_locations if package is not None else None
    return [str(Path(location, "prompts").absolute()) for location in locations or ()]
