"""The softphone's program, see `tests.support.pjsua`: the only place that imports pjsua2.

It registers, prints one JSON object a line for what happens, and takes commands on its input:
``answer``, ``refuse STATUS``, ``expect PACKETS`` (then it tells once that so many were received), ``hangup``
and ``quit``.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import sys
from typing import Any

# The library prints to the standard output as well: what it says there goes with the errors.
EVENTS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import pjsua2 as pj  # noqa: E402

REALM = "switchboard.local"
TONE = 880
PLAIN, HASHED = 0, 1


def tell(event: str, **values: object) -> None:
    """Say what has happened."""
    EVENTS.write(json.dumps({"event": event, **values}) + "\n")


def respond(call: pj.Call, status: int) -> None:
    """Answer an incoming call."""
    parameters = pj.CallOpParam()
    parameters.statusCode = status
    call.answer(parameters)


class Talk(pj.Call):
    """One incoming call: a tone goes out, what comes in is recorded."""

    def __init__(self, account: Account, call_id: int) -> None:
        super().__init__(account, call_id)
        self.counters: dict[str, int] = {}
        self.expects = 0
        self.recorder: Any = pj.AudioMediaRecorder()
        self.recorder.createRecorder(account.recording)
        self.tone: Any = pj.ToneGenerator()
        self.tone.createToneGenerator(8000, 1)
        tone = pj.ToneDesc()
        tone.freq1, tone.freq2, tone.on_msec, tone.off_msec = TONE, 0, 1000, 0
        tones = pj.ToneDescVector()
        tones.append(tone)
        self.tone.play(tones, True)

    def onCallState(self, prm: object) -> None:
        """Confirmed, or over."""
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            tell("ended", status=info.lastStatusCode, **self.counters)
            # The recorder writes its last samples when it goes.
            self.recorder = self.tone = None
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            tell("confirmed")

    def onCallMediaState(self, prm: object) -> None:
        """Audio may flow."""
        # What getInfo() returns owns its members: it must outlive them.
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(index)
                self.tone.startTransmit(audio)
                audio.startTransmit(self.recorder)
                tell("media", codec=self.getStreamInfo(index).codecName)

    def look(self) -> None:
        """Tell once that as many packets have come as were expected."""
        if self.expects and self.recorder:
            stream = self.getStreamStat(0)
            if stream.rtcp.rxStat.pkt >= self.expects:
                self.expects = 0
                tell("received")

    def onStreamDestroyed(self, prm: Any) -> None:
        """The last moment at which its counters can be read."""
        stream = self.getStreamStat(prm.streamIdx)
        received, sent = stream.rtcp.rxStat, stream.rtcp.txStat
        self.counters = {"received": received.pkt, "lost": received.loss, "sent": sent.pkt}


class Account(pj.Account):
    """The registered user; rings for every call."""

    def __init__(self, recording: str) -> None:
        super().__init__()
        self.recording = recording
        self.talk: Talk | None = None

    def onRegState(self, prm: Any) -> None:
        """REGISTER has its final answer."""
        tell("registered", status=prm.code)

    def onMwiInfo(self, prm: Any) -> None:
        """NOTIFY of message-summary."""
        tell("waiting", message=prm.rdata.wholeMsg)

    def onIncomingCall(self, prm: Any) -> None:
        """An INVITE."""
        self.talk = Talk(self, prm.callId)
        respond(self.talk, 180)
        tell("incoming", message=prm.rdata.wholeMsg)


def start(log: str) -> pj.Endpoint:
    """The library without threads of its own for SIP, without a sound card, on 127.0.0.1."""
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.logConfig.consoleLevel = 0
    config.logConfig.level = 5
    config.logConfig.filename = log
    config.medConfig.noVad = True
    config.medConfig.clockRate = 8000
    config.medConfig.sndAutoCloseTime = -1
    endpoint.libInit(config)
    endpoint.audDevManager().setNullDev()
    transport = pj.TransportConfig()
    transport.boundAddress = transport.publicAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.codecSetPriority("PCMA/8000", 255)
    return endpoint


def settings_of(user: str, password: str, target: str, algorithm: str) -> pj.AccountConfig:
    """Who registers where; `algorithm` MD5 refuses every other digest."""
    settings = pj.AccountConfig()
    settings.idUri = f"sip:{user}@{REALM}"
    settings.regConfig.registrarUri = f"sip:{target}"
    settings.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    credentials = pj.AuthCredInfo("digest", "*", user, PLAIN, password)
    if algorithm == "MD5":
        # A hashed password answers the challenge of its own algorithm only.
        hashed = hashlib.md5(f"{user}:{REALM}:{password}".encode()).hexdigest()
        credentials = pj.AuthCredInfo("digest", REALM, user, HASHED, hashed)
        credentials.algoType = pj.PJSIP_AUTH_ALGORITHM_MD5
    settings.sipConfig.authCreds.append(credentials)
    return settings


def obey(account: Account, command: str) -> bool:
    """Do what was asked; False when it is to quit."""
    verb, _, value = command.partition(" ")
    if verb == "quit":
        return False
    assert account.talk is not None
    if verb == "expect":
        account.talk.expects = int(value)
    elif verb == "hangup":
        account.talk.hangup(pj.CallOpParam())
    else:
        respond(account.talk, int(value) if verb == "refuse" else 200)
    return True


def main(user: str, password: str, target: str, recording: str, log: str, algorithm: str) -> None:
    """Be a softphone until told to quit, or until nobody is there to tell."""
    endpoint = start(log)
    account = Account(recording)
    account.create(settings_of(user, password, target, algorithm))
    typed, goes_on = b"", True
    while goes_on:
        endpoint.libHandleEvents(10)
        if account.talk is not None:
            account.talk.look()
        if select.select([0], [], [], 0)[0]:
            read = os.read(0, 1000) or b"quit\n"
            *commands, typed = (typed + read).split(b"\n")
            goes_on = all(obey(account, command.decode()) for command in commands)
    account.talk = None  # a call must not outlive the library
    account.shutdown()
    endpoint.libDestroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
