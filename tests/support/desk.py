"""A recorder without a process, for sessions that a test drives itself."""

from __future__ import annotations

from collections.abc import Sequence

from media.recorder.protocol import Audio, Begin, Done, KeysForUs, Mark, ToRecorder
from media.recorder.recording import Recording
from media.worker.sessions import Sessions


class Desk:
    """The messages go to recordings at once; `woken` tells by how many of them together a recorder would be."""

    def __init__(self) -> None:
        self.connected = True
        self.full = False
        self.down = False
        self.fails = ""
        self.sessions: Sessions | None = None
        self.told: list[ToRecorder] = []
        self.woken: list[int] = []
        self._waiting = 0
        self.answers: list[Done] = []
        self.recordings: dict[int, Recording] = {}

    def connect(self, now: float) -> None:
        """Reaches the recorder unless it is down."""
        if not self.connected and not self.down:
            self.connected = True
            assert self.sessions is not None
            self.sessions.recordings.up()

    def send(self, messages: Sequence[ToRecorder], force: bool = True) -> bool:
        """Takes messages."""
        assert self.connected
        if self.full and not force:
            return False
        self._waiting += len(messages)
        for message in messages:
            self.told.append(message)
            if isinstance(message, Begin):
                if self.fails:
                    self.answers.append(Done(message.key, 0.0, 0, 0, self.fails))
                else:
                    self.recordings[message.key] = Recording(message)
                continue
            recording = self.recordings.get(message.key)
            if recording is None:
                continue
            if isinstance(message, Audio):
                recording.audio(message)
            elif isinstance(message, Mark):
                recording.mark(message)
            elif isinstance(message, KeysForUs):
                recording.keys_for_us(message)
            else:
                self.answers.append(recording.end(message))
                del self.recordings[message.key]
        return True

    def flush(self) -> None:
        """What waits would leave now."""
        if self._waiting:
            self.woken.append(self._waiting)
            self._waiting = 0

    def crash(self) -> None:
        """The recorder is killed; what it had not written is gone."""
        self.connected = False
        self.down = True
        self.recordings.clear()

    def named(self, kind: type[ToRecorder]) -> list[ToRecorder]:
        """What was told of one kind."""
        return [message for message in self.told if isinstance(message, kind)]
