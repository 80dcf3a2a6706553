"""Everything the API shows, shared by the server and its clients. Commands of calls are in `calls.commands`.

Moments are RFC 3339 in UTC, lengths of time seconds. Numbers of people stand here masked (`139****1234`); `contact`
is the fingerprint of such a number in hexadecimal: the same person has the same one, and nobody is told by it.
"""

from __future__ import annotations

from switchboard.api.types.accounts import AuditView, Me, NewUser, StatusView, TokenView, TotpView, UserView
from switchboard.api.types.calls import (
    CallSummary,
    CallView,
    IdentityView,
    LegView,
    MediaView,
    RecordingView,
    RecordRow,
    RecordView,
    SegmentView,
    TrailView,
)
from switchboard.api.types.common import Band, Fault, LegStateName, Moment, Page, Phase, Problem, Region, Role, View
from switchboard.api.types.configuration import (
    CityView,
    ExtensionPoolView,
    FlowChange,
    FlowView,
    GatewayView,
    MaskDone,
    MaskView,
    OurRegistrationView,
    PoolNumberView,
    PoolsView,
    PoolView,
    RegistrationView,
    TrunkCalls,
    TrunkChange,
    TrunkView,
)
from switchboard.api.types.desk import AgentSettings, AgentView, GroupSettings, GroupView, QueueEntryView, SkillView
from switchboard.api.types.events import EventView, RingView, SnapshotView
from switchboard.api.types.history import (
    CallbackView,
    ContactFound,
    ContactView,
    LastCallView,
    MessageView,
    RemarkView,
    Revealed,
)
from switchboard.api.types.trace import MessageStep, TraceView

__all__ = [
    "AgentSettings",
    "AgentView",
    "AuditView",
    "Band",
    "CallSummary",
    "CallView",
    "CallbackView",
    "CityView",
    "ContactFound",
    "ContactView",
    "EventView",
    "ExtensionPoolView",
    "Fault",
    "FlowChange",
    "FlowView",
    "GatewayView",
    "GroupSettings",
    "GroupView",
    "IdentityView",
    "LastCallView",
    "LegStateName",
    "LegView",
    "MaskDone",
    "MaskView",
    "Me",
    "MediaView",
    "MessageStep",
    "MessageView",
    "Moment",
    "NewUser",
    "OurRegistrationView",
    "Page",
    "Phase",
    "PoolNumberView",
    "PoolView",
    "PoolsView",
    "Problem",
    "QueueEntryView",
    "RecordRow",
    "RecordView",
    "RecordingView",
    "Region",
    "RegistrationView",
    "RemarkView",
    "Revealed",
    "RingView",
    "Role",
    "SegmentView",
    "SkillView",
    "SnapshotView",
    "StatusView",
    "TokenView",
    "TotpView",
    "TraceView",
    "TrailView",
    "TrunkCalls",
    "TrunkChange",
    "TrunkView",
    "UserView",
    "View",
]
