"""The tables of the database. A change here needs a migration; `HEAD` names the newest one."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
)

from switchboard.store.desk_tables import audit_log as audit_log
from switchboard.store.desk_tables import call_remarks as call_remarks
from switchboard.store.desk_tables import desk_objects as desk_objects
from switchboard.store.desk_tables import hidden_calls as hidden_calls
from switchboard.store.desk_tables import refresh_tokens as refresh_tokens
from switchboard.store.desk_tables import users as users
from switchboard.store.metadata import metadata as metadata

HEAD: Final = "0010"
"""The newest migration; a test holds it equal to the one in `migrations/versions`."""

calls: Final = Table(
    "calls",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("version", SmallInteger, nullable=False),
    Column("trunk", String, nullable=False),
    Column("direction", String, nullable=False),
    Column("called", String, nullable=False),
    Column("extension", String, nullable=False),
    Column("flow", String, nullable=False),
    Column("caller_masked", String, nullable=False),
    Column("caller_sealed", LargeBinary, nullable=False),
    Column("caller_fingerprint", LargeBinary, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("answered_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("ended_by", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("sip_status", SmallInteger),
    Column("q850", SmallInteger),
    Column("post_dial_delay_us", BigInteger),
    Column("transfer_latency_us", BigInteger),
    Column("binding", String, nullable=False, server_default=""),
    Column("flow_version", String, nullable=False, server_default=""),
    Column("consent", String, nullable=False, server_default=""),
    Column("skill_group", String, nullable=False, server_default=""),
    Column("agent", String, nullable=False, server_default=""),
    Column("queued_us", BigInteger, nullable=False, server_default="0"),
    Column("hold_us", BigInteger, nullable=False, server_default="0"),
    Column("consult_us", BigInteger, nullable=False, server_default="0"),
    Column("transfers", Integer, nullable=False, server_default="0"),
    Column("province", String, nullable=False, server_default=""),
    Column("city", String, nullable=False, server_default=""),
    Column("carrier", String, nullable=False, server_default=""),
    Column("path", String, nullable=False, server_default="[]"),
    Column("talk_us", BigInteger, nullable=False, server_default="0"),
)
Index(None, calls.c.started_us, calls.c.id)
Index(None, calls.c.caller_fingerprint, calls.c.started_us, calls.c.id)
Index(None, calls.c.called, calls.c.started_us, calls.c.id)
Index(None, calls.c.skill_group, calls.c.started_us, calls.c.id)

# What each agent had of a call that they answered: their own part, however often it changed hands.
call_agents: Final = Table(
    "call_agents",
    metadata,
    Column("agent", String, primary_key=True),
    Column("started_us", BigInteger, primary_key=True),
    Column("call_id", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("skill_group", String, nullable=False),
    Column("answered_us", BigInteger, nullable=False),
    Column("talk_us", BigInteger, nullable=False),
    Column("hold_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, call_agents.c.agent, call_agents.c.answered_us)
Index(None, call_agents.c.call_id)

legs: Final = Table(
    "legs",
    metadata,
    Column("call_id", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    Column("id", String(36), nullable=False),
    Column("role", String, nullable=False),
    Column("peer", String, nullable=False),
    Column("invited_us", BigInteger, nullable=False),
    Column("ringing_us", BigInteger),
    Column("answered_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("sip_status", SmallInteger),
    Column("cause", String, nullable=False),
    Column("codec", String, nullable=False),
    Column("agent", String, nullable=False, server_default=""),
    Column("secured", String, nullable=False, server_default=""),
    Column("mode", String, nullable=False, server_default=""),
    Column("received", Integer),
    Column("sent", Integer),
    Column("lost", Integer),
    Column("jitter_ms", Float),
    Column("strangers", Integer),
    Column("peer_lost", Integer),
    Column("peer_jitter_ms", Float),
    Column("round_trip_ms", Float),
    Column("mos_in", Float),
    Column("mos_out", Float),
    Column("silent", Boolean),
    sqlite_with_rowid=False,
)

segments: Final = Table(
    "segments",
    metadata,
    Column("call_id", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    Column("kind", String, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("detail", String, nullable=False),
    Column("agent", String, nullable=False, server_default=""),
    Column("skill_group", String, nullable=False, server_default=""),
    sqlite_with_rowid=False,
)

call_trail: Final = Table(
    "call_trail",
    metadata,
    Column("call_id", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    Column("flow", String, nullable=False),
    Column("node", String, nullable=False),
    Column("key", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

call_identities: Final = Table(
    "call_identities",
    metadata,
    Column("call_id", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("status", String, nullable=False),
    Column("method", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("asked_us", BigInteger),
    Column("took_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

call_surveys: Final = Table(
    "call_surveys",
    metadata,
    Column("call_id", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    Column("question", String, nullable=False),
    Column("answer", String, nullable=False),
    sqlite_with_rowid=False,
)

call_recordings: Final = Table(
    "call_recordings",
    metadata,
    Column("call_id", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    Column("id", String, nullable=False),
    Column("path", String, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("kind", String, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, call_recordings.c.id)
Index(None, call_recordings.c.started_us, call_recordings.c.id)

# A message is journalled before the call that left it has ended, so these refer to no row of calls.
voicemail_messages: Final = Table(
    "voicemail_messages",
    metadata,
    Column("id", String, primary_key=True),
    Column("box", String, nullable=False),
    Column("path", String, nullable=False),
    Column("left_us", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("call_id", String(36), nullable=False),
    Column("caller_masked", String, nullable=False),
    Column("caller_sealed", LargeBinary, nullable=False),
    Column("caller_fingerprint", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("changed_us", BigInteger),
    Column("changed_by", String, nullable=False),
)
Index(None, voicemail_messages.c.box, voicemail_messages.c.left_us)

callback_requests: Final = Table(
    "callback_requests",
    metadata,
    Column("id", String, primary_key=True),
    Column("skill_group", String, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("number_masked", String, nullable=False),
    Column("number_sealed", LargeBinary, nullable=False),
    Column("number_fingerprint", LargeBinary, nullable=False),
    Column("call_id", String(36), nullable=False),
    Column("state", String, nullable=False),
    Column("changed_us", BigInteger),
    Column("changed_by", String, nullable=False),
    Column("since_us", BigInteger, nullable=False, server_default="0"),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("vip", Integer, nullable=False, server_default="0"),
    Column("requirement", String, nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("reason", String, nullable=False, server_default=""),
    Column("last_call_id", String(36), nullable=False, server_default=""),
)
Index(
    None,
    callback_requests.c.number_fingerprint,
    callback_requests.c.skill_group,
    unique=True,
    sqlite_where=callback_requests.c.state.in_(("open", "calling")),
)
Index(None, callback_requests.c.state, callback_requests.c.asked_us)

mask_bindings: Final = Table(
    "mask_bindings",
    metadata,
    Column("number", String, primary_key=True),
    Column("extension", String(6), primary_key=True),
    Column("kind", String, nullable=False),
    Column("target", String, nullable=False),
    Column("sealed", LargeBinary),
    Column("fingerprint", LargeBinary),
    Column("trunk", String, nullable=False),
    Column("shown", String, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("expires_us", BigInteger),
    Column("label", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("policy", String, nullable=False, server_default=""),
    Column("used_us", BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
Index(None, mask_bindings.c.fingerprint)

# Bindings of X numbers; `b` is the other side of a pair, or N.
mask_lines: Final = Table(
    "mask_lines",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("number", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("target", String, nullable=False),
    Column("a_sealed", LargeBinary),
    Column("a_fingerprint", LargeBinary),
    Column("b_sealed", LargeBinary),
    Column("b_fingerprint", LargeBinary),
    Column("skill_group", String, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("expires_us", BigInteger),
    Column("label", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("policy", String, nullable=False),
    Column("used_us", BigInteger, nullable=False),
    Column("window_us", BigInteger, nullable=False, server_default="0"),
    Column("window_times", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
Index(None, mask_lines.c.number)
Index(None, mask_lines.c.a_fingerprint)
Index(None, mask_lines.c.b_fingerprint)

mask_quarantines: Final = Table(
    "mask_quarantines",
    metadata,
    Column("number", String, primary_key=True),
    Column("extension", String, primary_key=True),
    Column("until_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

mask_pools: Final = Table(
    "mask_pools",
    metadata,
    Column("name", String, primary_key=True),
    Column("policy", String, nullable=False),
)

mask_pool_numbers: Final = Table(
    "mask_pool_numbers",
    metadata,
    Column("number", String, primary_key=True),
    Column("pool", ForeignKey("mask_pools.name"), nullable=False),
    Column("city", String, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("added_us", BigInteger, nullable=False),
)
Index(None, mask_pool_numbers.c.pool)

# Who gave a number of a pool back, by fingerprint; needed until the cool-down is over.
mask_releases: Final = Table(
    "mask_releases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", String, nullable=False),
    Column("people", LargeBinary, nullable=False),
    Column("released_us", BigInteger, nullable=False),
)
Index(None, mask_releases.c.released_us)

mask_extension_pools: Final = Table(
    "mask_extension_pools",
    metadata,
    Column("number", String, primary_key=True),
    Column("first", String, nullable=False),
    Column("last", String, nullable=False),
    Column("check_digit", String, nullable=False),
    Column("cool_down", Float, nullable=False),
)

mask_refusals: Final = Table(
    "mask_refusals",
    metadata,
    Column("customer", LargeBinary, primary_key=True),
    Column("agent", LargeBinary, primary_key=True),
    Column("until_us", BigInteger),
    Column("refused_us", BigInteger, nullable=False),
    Column("call_id", String(36), nullable=False),
    sqlite_with_rowid=False,
)

mask_log: Final = Table(
    "mask_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("action", String, nullable=False),
    Column("binding", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("reason", String, nullable=False),
)
Index(None, mask_log.c.binding)

key_checks: Final = Table(
    "key_checks",
    metadata,
    Column("purpose", String, primary_key=True),
    Column("key_id", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

journal_position: Final = Table(
    "journal_position",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("segment", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
)

registrations: Final = Table(
    "registrations",
    metadata,
    Column("aor", String, primary_key=True),
    Column("expires_us", BigInteger, nullable=False),
    Column("bindings", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
