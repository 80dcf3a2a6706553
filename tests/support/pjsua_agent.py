"""The softphone's program, see `tests.support.pjsua`: the only place that imports pjsua2.

It registers, prints one JSON object a line for what happens, and takes commands on its input. A command concerns the
latest call, or the one whose number stands behind a colon (``hold:0``), as each event tells it in ``call``:

``call URI``, ``answer``, ``refuse STATUS``, ``hangup``, ``hold``, ``unhold``, ``keys DIGITS``, ``xfer URI``,
``replace NUMBER`` (transfer to the party of that call of its own), ``expect PACKETS`` (then it tells once that so many
were received), ``listen MILLISECONDS FILE`` (then it tells that what was heard is in the file) and ``quit``.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import sys
import time
from collections.abc import Callable
from typing import Any

# The library prints to the standard output as well: what it says there goes with the errors.
EVENTS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import pjsua2 as pj  # noqa: E402

REALM = "switchboard.local"
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
    """One call: a tone goes out, what comes in is recorded."""

    def __init__(self, account: Account, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self.number = len(account.talks)
        account.talks.append(self)
        self.counters: dict[str, int] = {}
        self.expects = 0
        self.audio: Any = None
        self.ear: Any = None
        self.listens: tuple[float, str] | None = None
        self.recorder: Any = pj.AudioMediaRecorder()
        self.recorder.createRecorder(account.recording_of(self.number))
        self.tone: Any = pj.ToneGenerator()
        self.tone.createToneGenerator(8000, 1)
        tone = pj.ToneDesc()
        tone.freq1, tone.freq2, tone.on_msec, tone.off_msec = account.tone, 0, 1000, 0
        tones = pj.ToneDescVector()
        tones.append(tone)
        self.tone.play(tones, True)

    def tell(self, event: str, **values: object) -> None:
        """Say what has happened to this call."""
        tell(event, call=self.number, **values)

    def onCallState(self, prm: object) -> None:
        """It rings, is confirmed, or over."""
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.tell("ended", status=info.lastStatusCode, **self.counters)
            # The recorder writes its last samples when it goes.
            self.recorder = self.tone = self.audio = self.ear = self.listens = None
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.tell("confirmed")
        elif info.state == pj.PJSIP_INV_STATE_EARLY and info.role == pj.PJSIP_ROLE_UAC:
            self.tell("ringing", status=info.lastStatusCode)

    def onCallMediaState(self, prm: object) -> None:
        """Audio may flow, or one side holds."""
        # What getInfo() returns owns its members: it must outlive them.
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO or self.recorder is None:
                continue
            if media.status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD):
                self.audio = self.getAudioMedia(index)
                self.tone.startTransmit(self.audio)
                self.audio.startTransmit(self.recorder)
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                stream = self.getStreamInfo(index)
                self.tell("media", codec=stream.codecName, secured=bool(stream.proto & pj.PJMEDIA_TP_PROFILE_SRTP))
            elif media.status == pj.PJSUA_CALL_MEDIA_LOCAL_HOLD:
                self.tell("held")

    def onDtmfDigit(self, prm: Any) -> None:
        """A key of the far side."""
        self.tell("key", digit=prm.digit)

    def onCallTransferStatus(self, prm: Any) -> None:
        """NOTIFY of a transfer that it asked for."""
        self.tell("transfer", status=prm.statusCode, final=bool(prm.finalNotify))
        prm.cont = not prm.finalNotify

    def onStreamDestroyed(self, prm: Any) -> None:
        """The last moment at which its counters can be read."""
        stream = self.getStreamStat(prm.streamIdx)
        received, sent = stream.rtcp.rxStat, stream.rtcp.txStat
        self.counters = {
            "received": received.pkt,
            # What comes later than what follows it was counted as lost by then.
            "lost": received.loss - received.reorder,
            "sent": sent.pkt,
            # What RTCP told it, of all streams of the call the number of reports.
            "reports": sent.updateCount + self.counters.get("reports", 0),
            "peer_lost": sent.loss,
            "trips": stream.rtcp.rttUsec.n,
            "trip_us": stream.rtcp.rttUsec.mean,
        }

    def listen(self, milliseconds: int, file: str) -> None:
        """Record what comes in for a while, beside the recording of the whole."""
        self.ear = pj.AudioMediaRecorder()
        self.ear.createRecorder(file)
        if self.audio is not None:
            self.audio.startTransmit(self.ear)
        self.listens = (time.monotonic() + milliseconds / 1000, file)

    def look(self) -> None:
        """Tell once that as many packets have come as were expected, and what was listened to."""
        if self.expects and self.recorder:
            stream = self.getStreamStat(0)
            if stream.rtcp.rxStat.pkt >= self.expects:
                self.expects = 0
                self.tell("received")
        if self.listens is not None and time.monotonic() >= self.listens[0]:
            file, self.ear, self.listens = self.listens[1], None, None
            self.tell("listened", file=file)


class Account(pj.Account):
    """The registered user; rings for every call."""

    def __init__(self, recording: str, tone: int) -> None:
        super().__init__()
        self.recording = recording
        self.tone = tone
        self.talks: list[Talk] = []

    def recording_of(self, number: int) -> str:
        """The file of a call; that of the first one has no number."""
        return self.recording if not number else self.recording.replace(".wav", f"-{number}.wav")

    def look(self) -> None:
        """Let every call tell what has come about."""
        for talk in self.talks:
            talk.look()

    def onRegState(self, prm: Any) -> None:
        """REGISTER has its final answer."""
        tell("registered", status=prm.code)

    def onMwiInfo(self, prm: Any) -> None:
        """NOTIFY of message-summary."""
        tell("waiting", message=prm.rdata.wholeMsg)

    def onIncomingCall(self, prm: Any) -> None:
        """An INVITE."""
        talk = Talk(self, prm.callId)
        respond(talk, 180)
        talk.tell("incoming", message=prm.rdata.wholeMsg)


TRANSPORTS = {"": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}


def start(
    log: str, by: str = "", authority: str = "", codecs: str = "", certificate: str = "", key: str = ""
) -> pj.Endpoint:
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
    if authority:
        transport.tlsConfig.CaListFile = authority
        transport.tlsConfig.verifyServer = True
        transport.tlsConfig.certFile, transport.tlsConfig.privKeyFile = certificate, key
    endpoint.transportCreate(TRANSPORTS[by], transport)
    endpoint.libStart()
    if codecs:
        for known in endpoint.codecEnum2():
            endpoint.codecSetPriority(known.codecId, 0)
    for place, codec in enumerate(codecs.split(",") if codecs else ["PCMA/8000"]):
        endpoint.codecSetPriority(codec, 255 - place)
    return endpoint


SRTP = {"": pj.PJMEDIA_SRTP_DISABLED, "optional": pj.PJMEDIA_SRTP_OPTIONAL, "mandatory": pj.PJMEDIA_SRTP_MANDATORY}


def settings_of(
    user: str, password: str, target: str, algorithm: str, rtp: int, *, lamp: bool, by: str = "", srtp: str = ""
) -> pj.AccountConfig:
    """Who registers where, by which transport; `algorithm` MD5 refuses every other digest, `rtp` is the first port.

    A `lamp` subscribes to waiting messages. `srtp` is "optional" or "mandatory", with TLS only over TLS.
    """
    settings = pj.AccountConfig()
    settings.idUri = f"sip:{user}@{REALM}"
    place = f"sip:{target};transport={by}" if by else f"sip:{target}"
    settings.regConfig.registrarUri = place
    if by:
        settings.sipConfig.proxies.append(f"{place};lr")
    if lamp:
        # Its SUBSCRIBE names its account's domain, which no DNS knows.
        settings.sipConfig.proxies.append(f"sip:{target};lr")
        settings.mwiConfig.enabled = True
    settings.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    settings.mediaConfig.transportConfig.port = rtp
    settings.mediaConfig.srtpUse = SRTP[srtp]
    settings.mediaConfig.srtpSecureSignaling = 1 if by == "tls" else 0
    credentials = pj.AuthCredInfo("digest", "*", user, PLAIN, password)
    if algorithm == "MD5":
        # A hashed password answers the challenge of its own algorithm only.
        hashed = hashlib.md5(f"{user}:{REALM}:{password}".encode()).hexdigest()
        credentials = pj.AuthCredInfo("digest", REALM, user, HASHED, hashed)
        credentials.algoType = pj.PJSIP_AUTH_ALGORITHM_MD5
    settings.sipConfig.authCreds.append(credentials)
    return settings


def call(account: Account, uri: str) -> None:
    """Call somebody."""
    Talk(account).makeCall(uri, pj.CallOpParam(True))


def unhold(talk: Talk) -> None:
    """Re-INVITE that takes the call back."""
    parameters = pj.CallOpParam(True)
    parameters.opt.flag = pj.PJSUA_CALL_UNHOLD
    talk.reinvite(parameters)


VERBS: dict[str, Callable[[Talk, str], None]] = {
    "answer": lambda talk, value: respond(talk, 200),
    "refuse": lambda talk, value: respond(talk, int(value)),
    "hangup": lambda talk, value: talk.hangup(pj.CallOpParam()),
    "hold": lambda talk, value: talk.setHold(pj.CallOpParam(True)),
    "unhold": lambda talk, value: unhold(talk),
    "keys": lambda talk, value: talk.dialDtmf(value),
    "xfer": lambda talk, value: talk.xfer(value, pj.CallOpParam(True)),
    "expect": lambda talk, value: setattr(talk, "expects", int(value)),
    "listen": lambda talk, value: talk.listen(int(value.split(" ", 1)[0]), value.split(" ", 1)[1]),
}


def obey(account: Account, command: str) -> bool:
    """Do what was asked; False when it is to quit."""
    verb, _, value = command.partition(" ")
    verb, _, number = verb.partition(":")
    if verb == "quit":
        return False
    try:
        if verb == "call":
            call(account, value)
        elif verb == "replace":
            account.talks[int(number)].xferReplaces(account.talks[int(value)], pj.CallOpParam(True))
        else:
            VERBS[verb](account.talks[int(number or -1)], value)
    except pj.Error as error:
        tell("refused", command=command, error=error.info())
    return True


def main(
    user: str,
    password: str,
    target: str,
    recording: str,
    log: str,
    algorithm: str,
    tone: str,
    rtp: str,
    lamp: str = "",
    by: str = "",
    authority: str = "",
    srtp: str = "",
    codecs: str = "",
    certificate: str = "",
    key: str = "",
) -> None:
    """Be a softphone until told to quit, or until nobody is there to tell."""
    endpoint = start(log, by, authority, codecs, certificate, key)
    account = Account(recording, int(tone))
    account.create(settings_of(user, password, target, algorithm, int(rtp), lamp=bool(lamp), by=by, srtp=srtp))
    typed, goes_on = b"", True
    while goes_on:
        endpoint.libHandleEvents(10)
        account.look()
        if select.select([0], [], [], 0)[0]:
            read = os.read(0, 1000) or b"quit\n"
            *commands, typed = (typed + read).split(b"\n")
            goes_on = all(obey(account, command.decode()) for command in commands)
    account.talks.clear()  # a call must not outlive the library
    account.shutdown()
    endpoint.libDestroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
