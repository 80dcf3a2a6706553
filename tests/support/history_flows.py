"""Flows that use everything a flow may ask of a call, for random histories of calls."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ivr_flows.linking import link
from ivr_flows.loader import parse_flow
from ivr_flows.model import Flow

FLOWS: Final = {
    "box": """
flow: box
start: box
nodes:
  box: {type: voicemail, box: alice, prompts: [{say: "请留言"}], max: 60s, min: 1s, silence: 5s,
        next: bye, on_empty: box2, on_error: bye}
  box2: {type: voicemail, box: bob, prompts: [], max: 30s, next: bye, on_empty: bye, on_error: bye}
  bye: {type: hangup, prompts: [zh/goodbye]}
""",
    "line": """
flow: line
variables: {score: ""}
start: wait
on_hangup: tell
nodes:
  wait: {type: queue, group: "GROUP", prompts: [music/hold], max_wait: 40s, limit: 90s, next: rate,
         on: {empty: nobody, full: nobody, timeout: box, failed: again}}
  again: {type: extension, number: "4006", extension: "100001", ring_timeout: 8s, limit: 60s, next: rate,
          on: {other: nobody}}
  nobody: {type: hangup, prompts: [zh/unavailable], cause: unregistered}
  box: {type: voicemail, box: alice, max: 20s, next: bye, on_empty: bye, on_error: bye}
  rate: {type: survey, questions: [{name: score, prompts: [zh/survey], keys: "12345"},
         {name: more, prompts: [{say: "还有吗"}], keys: "12"}], timeout: 5s, next: wait2, on_none: bye}
  wait2: {type: queue, group: "GROUP", max_wait: 5s, limit: 30s, next: bye, on: {other: bye}}
  bye: {type: hangup, prompts: [zh/goodbye]}
  tell: {type: http, method: POST, url: "http://backend/gone", json: {score: "{score}"}, next: over, on_error: over,
         set: {x: "a"}}
  over: {type: hangup}
""",
    "ask": """
flow: ask
start: begin
nodes:
  begin: {type: record, do: start, next: ask}
  ask: {type: http, url: "http://backend/status", timeout: 2s, while: [music/hold], set: {status: "order.status"},
        next: say, on_error: pin}
  say: {type: say, text: {zh: "您的订单{status}"}, next: pin}
  pin: {type: collect, into: pin, secret: true, min: 4, max: 8, prompts: [{say: "请输入密码"}], retries: 1,
        next: check, on_timeout: party, on_invalid: party}
  check: {type: http, method: POST, url: "http://backend/pin", timeout: 2s, json: {pin: "{pin}"},
          while: [{say: "请稍候"}], next: party, on_error: party}
  party: {type: extension, number: "4006", extension: "100001", ringback: "tone:ringback", ring_timeout: 10s,
          limit: 45s, next: pin2, on: {busy: line, other: bye}}
  line: {type: queue, group: one, max_wait: 10s, limit: 20s, next: pin2, on: {other: bye}}
  pin2: {type: collect, into: pin, secret: true, min: 4, max: 8, prompts: [zh/pin], next: bye, on_timeout: bye,
         on_invalid: bye}
  bye: {type: hangup, cause: busy}
""",
    "who": """
flow: who
start: agree
on_hangup: over
nodes:
  agree: {type: consent, prompts: [zh/consent], accepted: who, declined: who}
  who: {type: identify, url: "http://backend/identify", timeout: 2s, while: [{say: "正在查询"}], attempts: 2,
        skip_key: "*", ask: {method: phone, prompts: [zh/enter], min: 8, max: 8, first_timeout: 4s, digit_timeout: 3s},
        own_number: start, verified: start, failed: back, skipped: back, unavailable: part}
  start: {type: record, do: start, next: part}
  part: {type: subflow, flow: part, with: {code: "subject"}, results: {code: code}, next: back}
  back: {type: callback, number: "{caller}", group: one, prompts: [{say: "我们会回电"}], next: end, on_refused: end}
  end: {type: hangup}
  over: {type: hangup}
""",
    "part": """
flow: part
start: menu
parameters: [code]
results: [code]
on_hangup: tell
nodes:
  menu: {type: menu, prompts: [{say: "一或二"}], keys: {"1": dial, "2": done, "3": menu}, timeout: 3s, retries: 1,
         on_timeout: done, on_invalid: done}
  dial: {type: dial, target: "sip:agent@127.0.0.3:5190", ringback: "tone:ringback", ring_timeout: 6s, limit: 30s,
         next: done, on: {other: stop}}
  stop: {type: record, do: stop, next: done}
  done: {type: return, results: {code: code}}
  tell: {type: http, url: "http://backend/gone", set: {x: "a"}, next: over, on_error: over}
  over: {type: hangup}
""",
    "late": """
flow: late
answer: early
start: ask
nodes:
  ask: {type: http, url: "http://backend/status", timeout: 2s, while: [music/hold], set: {status: "order.status"},
        next: say, on_error: party}
  say: {type: say, text: {zh: "您的订单{status}"}, next: party}
  party: {type: extension, number: "4006", extension: "100001", ringback: "tone:ringback", ring_timeout: 10s,
          limit: 45s, next: part, on: {busy: line, other: bye}}
  line: {type: queue, group: one, prompts: [{say: "请稍候"}, music/hold], max_wait: 10s, limit: 20s, next: part,
         on: {other: bye}}
  part: {type: play, prompts: [zh/thanks], next: again}
  again: {type: dial, target: "aor:alice", ring_timeout: 5s, next: bye, on: {other: bye}}
  bye: {type: hangup, prompts: [{say: "再见"}], cause: busy}
""",
    "notice": """
flow: notice
start: why
nodes:
  why: {type: menu, prompts: [zh/number_unbound], keys: {"1": line}, timeout: 3s, on_timeout: bye, on_invalid: bye}
  line: {type: queue, group: two, prompts: [music/hold], max_wait: 20s, limit: 30s, next: bye, on: {other: bye}}
  bye: {type: hangup, prompts: [{say: "再见"}], cause: unknown}
""",
}


@lru_cache(maxsize=64)
def flows(group: str = "two", spoken: str = "") -> dict[str, Flow]:
    """The flows, each version named by what differs."""
    texts = {name: text.replace("GROUP", group).replace("请留言", f"请留言{spoken}") for name, text in FLOWS.items()}
    return link({name: parse_flow(text, f"{name}.yaml") for name, text in texts.items()})
