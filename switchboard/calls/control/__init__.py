"""The call bar: what people and their programs may do with calls. One function a command, all by `command`.

A command is carried out at once or refused with a `CommandError`, and then nothing has changed; of two that do not go
together the second finds `wrong_state`. "Led" means that caller and agent talk and that the actor is that agent; a
supervisor, or the system, who is not in the call acts for the agent. The caller's hang-up ends every call for all.
Nobody has two calls at once: transfer, consult, add and dial refuse an agent who is in another call, or rung for one,
with `busy`; only who has sent a caller away is rung for that caller again in any case.
An agent who has dialled from the own phone is the caller, and may hold and mute like any party; with the first
transfer, consult, add or park that is carried out caller and agent change their parts, and whom they called is theirs.

===============  ================  ===============  ===============  ===========  =======================  =============
command          when              caller hears     agent hears      others       what may go wrong, and   record
                                                                                  who has the caller then
===============  ================  ===============  ===============  ===========  =======================  =============
hold, resume     own leg talks;    music            nothing          of a         agent hangs up: as from  hold,
                 no transfer or                                      conference   a talk                   agent's;
                 consultation                                        talk on                               `hold_us`

a phone's own    any talk          music, where     music, where     the same     a silent phone that      hold, by whom
hold                               the agent holds  the caller does               holds is not lost

mute             own leg talks     silence from     all              all          -                        -
                                   the muted

send_digits      led, or one of a  keys             nothing          keys         nobody hears:            -
                 conference                                                       wrong_state

transfer to an   led, alone with   music, then the  ringback, then   -            refused, no answer,      ring of the
agent            the caller        target           a BYE                         phone lost, cancelled:   target, talk
                                                                                  back with the agent;     of the
                                                                                  agent hangs up: waits    target;
                                                                                  on for the target        `transfers`

transfer, blind  the same          ringback, then   a BYE at once    -            refused, no answer: the  ring
or to a number,                    the target                                     agent is rung again,     transfer,
extension,                                                                        then the flow goes on    ring recall
account                                                                           or the call ends

transfer to a    the same          the queue        a BYE at once    -            as any who waits;        queue, talk
group                                                                             closed, empty or full    of whoever
                                                                                  and no flow to go on:    serves
                                                                                  refused, talk goes on

transfer to a    the same          the flow         a BYE at once    -            -                        ivr;
flow                                                                                                       variables,
                                                                                                           keys,
                                                                                                           identity stay

cancel_transfer  by whom began     as before it     as before it     target:      an answer that crosses:  talk goes on
                 it, or a                                            CANCEL       ACK and BYE
                 supervisor

consult          led               music; in a      ringback, then   -            refused, no answer,      consult,
                                   conference each  the party                     hung up: back with the   agent's;
                                   other                                          agent                    `consult_us`

complete         a consultation    the party;       a BYE            -            rings and refuses: the   talk of the
                                   ringback while                                 agent is rung again      party
                                   it rings

back             a consultation    the agent        the caller       party: BYE   -                        talk goes on
                                                                     or CANCEL

merge            the party         all              all              all          agent hangs up: the      conference,
                 consulted talks                                                  party has the caller;    agent's
                                                                                  the party does: a plain
                                                                                  talk

- agent hangs    -                 the party who    -                CANCEL       -                        talk of the
up in a                            talks, else as                    while it                              party
consultation                       after any hang-                   rings
                                   up

add              led               the talk goes    the same         all          refused, no answer:      conference,
                                   on, then all                                   nothing changes          of who leads

drop             led               the others       the others       BYE or       the last two: a plain    talk
                                                                     CANCEL       talk

supervise,       supervisor;       no supervisor    no supervisor    both         refused: nothing;        no stretch of
listen           caller and agent                                                 caller and agent part:   its own
                 talk                                                             BYE

supervise,       the same, also    no supervisor    both             both         the same                 the same
whisper          to change how

supervise,       the same          both             both             both         the same                 the same
barge

park             led, alone with   music            a BYE            -            time over: the agent is  park, with
                 the caller                                                       rung again, then the     its slot
                                                                                  flow goes on or the
                                                                                  call ends

unpark           parked, nobody    ringback, then   -                -            the taker does not       ring unpark,
                 else takes it     the taker                                      answer: parked on        talk of the
                                                                                                           taker

unpark by        the same; an      the phone that   the caller, at   -            nobody there: 404; one    park, talk
dialling a slot  agent's phone     has dialled      once                          is rung for it: 486; no   of the
                                                                                  audio: 488; parked on     phone

pick             waits in a queue  as for any       rings            -            as for any offer         ring, talk
                                   offer

survey           led, no           the flow         a BYE            BYE          -                        ivr; answers
                 consultation                                                                              in `survey`

rate             led               the talk goes    the same         -            caller hangs up first:   ivr after the
                                   on; after it                                   not asked                talk
                                   the flow

hang_up          own leg talks;    as when the      a BYE            the same     -                        ended_by
                 of a supervisor   phone hangs up
                 or system the
                 call

dial             a phone is        rings second     rings first,     -            either refuses or does   out or
                 known, a number                    then ringback                 not answer, the agent    internal;
                 of ours is shown                   or early media                hangs up: the call ends  ring, talk

verified         own leg talks     -                -                -            -                        identity

record           led, or one of a  -                -                -            the caller has not       recordings
                 conference                                                       agreed: forbidden
===============  ================  ===============  ===============  ===========  =======================  =============

By a command nothing is said by SIP to a party whose call goes on: audio is anchored here, and only its way changes. A
media worker that dies ends all calls it carries. Nobody is ever sent another party's number, address or Call-ID.

Where no port is free but some are on their way, whoever is to be called is called when they have come; where none does
within two seconds it is as if they had refused, by `congestion`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from switchboard.calls.attempts import Attempt
from switchboard.calls.cdr import write_snapshot
from switchboard.calls.commands import (
    Actor,
    Add,
    Back,
    CancelTransfer,
    Command,
    CommandError,
    Complete,
    Consult,
    Dial,
    Done,
    Drop,
    HangUp,
    Hold,
    InviteRating,
    Merge,
    Mute,
    Park,
    Pick,
    RecordTalk,
    Resume,
    SendDigits,
    StopSupervising,
    Supervise,
    ToSurvey,
    Transfer,
    Unpark,
    Verified,
)
from switchboard.calls.control.conference import INVITE, add, drop
from switchboard.calls.control.consult import CONSULT, back, complete, consult, merge
from switchboard.calls.control.dial import ORIGINATE, dial
from switchboard.calls.control.digits import send_digits
from switchboard.calls.control.hang_up import hang_up
from switchboard.calls.control.hold import hold, resume
from switchboard.calls.control.mute import mute
from switchboard.calls.control.notes import record_talk, verified
from switchboard.calls.control.park import park, unpark
from switchboard.calls.control.pick import pick
from switchboard.calls.control.supervise import SUPERVISE, stop_supervising, supervise
from switchboard.calls.control.survey import invite_rating, to_survey
from switchboard.calls.control.transfer import TRANSFER, cancel_transfer, transfer
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Purpose
from switchboard.calls.turning import record_other, swap, take_lead

__all__ = ["ATTEMPTS", "COMMANDS", "command"]

# Each function takes the very command its key names, which a dict's type cannot say.
_LEADING: Final = (Transfer, Consult, Add, Park)
"""What an agent may do who has called by their own phone; they lead the call from then on."""

COMMANDS: Final = cast(
    "dict[type[Command], Callable[[Exchange, Command, Actor, float], Done]]",
    {
        Hold: hold,
        Resume: resume,
        Mute: mute,
        SendDigits: send_digits,
        Transfer: transfer,
        CancelTransfer: cancel_transfer,
        Consult: consult,
        Complete: complete,
        Back: back,
        Merge: merge,
        Add: add,
        Drop: drop,
        Supervise: supervise,
        StopSupervising: stop_supervising,
        Park: park,
        Unpark: unpark,
        Pick: pick,
        ToSurvey: to_survey,
        InviteRating: invite_rating,
        HangUp: hang_up,
        Dial: dial,
        Verified: verified,
        RecordTalk: record_talk,
    },
)

ATTEMPTS: Final[dict[Purpose, Attempt]] = {
    "transfer": TRANSFER,
    "consult": CONSULT,
    "invite": INVITE,
    "supervise": SUPERVISE,
    "originate": ORIGINATE,
}
"""What becomes of those whom the call bar has called."""


def command(x: Exchange, cmd: Command, actor: Actor, now: float) -> Done:
    """Carry out a command; raises `CommandError`, and nothing has changed, when it cannot be."""
    done = _led(x, cmd, actor, now) if isinstance(cmd, _LEADING) else COMMANDS[type(cmd)](x, cmd, actor, now)
    call = x.calls.get(done.call)
    if call is not None:
        # The new state is in the journal before any message leaves that tells of it.
        if call.caller.talking and call.journalled:
            write_snapshot(x, call)
        x.arm(call)
    return done


def _led(x: Exchange, cmd: Transfer | Consult | Add | Park, actor: Actor, now: float) -> Done:
    call = x.calls.get(cmd.call)
    if call is None or not take_lead(call, actor.agent):
        return COMMANDS[type(cmd)](x, cmd, actor, now)
    leader = call.agent
    assert leader is not None
    try:
        done = COMMANDS[type(cmd)](x, cmd, actor, now)
    except CommandError:
        swap(call)
        raise
    record_other(x, call, leader, now)
    return done
