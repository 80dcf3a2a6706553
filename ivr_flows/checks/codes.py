"""Kinds of faults; their names never change, so that a build may name those it lets pass."""

from __future__ import annotations

from typing import Final

from ivr_flows.linking import PARAMETERS, RESULTS, UNKNOWN_FLOW
from ivr_flows.shape import MISSING_EXIT, MISSING_KEY, UNKNOWN_KEY, WRONG_VALUE
from ivr_flows.source import NOT_YAML

__all__ = [
    "ANSWER",
    "BAD_ADDRESS",
    "BAD_VALUE",
    "BAD_VARIABLE",
    "DEAD_END",
    "HANGUP_BRANCH",
    "LEAK",
    "LOOP",
    "MEANING",
    "MISSING_EXIT",
    "NOTHING_PLAYED",
    "NO_KEY",
    "PARAMETERS",
    "PROMPT_FORMAT",
    "PROMPT_MISSING",
    "PROMPT_NAME",
    "RECURSION",
    "RESULTS",
    "UNKNOWN_FLOW",
    "UNKNOWN_TARGET",
    "UNREACHABLE",
    "UNSET_VARIABLE",
]

UNKNOWN_TARGET: Final = "unknown-target"
UNREACHABLE: Final = "unreachable"
DEAD_END: Final = "dead-end"
LOOP: Final = "loop"
UNSET_VARIABLE: Final = "unset-variable"
BAD_VARIABLE: Final = "bad-variable"
LEAK: Final = "secret-logged"
HANGUP_BRANCH: Final = "hangup-branch"
RECURSION: Final = "subflow-recursion"
PROMPT_NAME: Final = "prompt-name"
PROMPT_MISSING: Final = "prompt-missing"
PROMPT_FORMAT: Final = "prompt-format"
NOTHING_PLAYED: Final = "nothing-played"
NO_KEY: Final = "no-key"
BAD_VALUE: Final = "bad-value"
BAD_ADDRESS: Final = "bad-address"
ANSWER: Final = "answer"

MEANING: Final = {
    "file": "the file cannot be read",
    NOT_YAML: "the file is no YAML, or uses parts of it that flows do not have",
    "twice": "a key is given twice",
    "shape": "the file is no flow: its name, its start or its nodes are not there",
    "same-name": "two files hold flows of one name",
    UNKNOWN_KEY: "a key that nodes of this type, or headers, do not have",
    MISSING_KEY: "a key that must be there is not",
    MISSING_EXIT: "an exit is not wired",
    WRONG_VALUE: "a value of the wrong kind, an expression that cannot be read included",
    "unknown-type": "a node's type is not known",
    UNKNOWN_TARGET: "an exit, the start or on_hangup leads to no node",
    UNREACHABLE: "nothing leads to a node",
    DEAD_END: "no way leads from a node to an end",
    LOOP: "nodes lead round in a circle without input, exit or count",
    UNSET_VARIABLE: "a variable is read on a way on which nothing has set it",
    BAD_VARIABLE: "a name that no variable can have, or one that must not be set",
    LEAK: "a secret would be spoken, logged, sent as part of an address, or copied",
    HANGUP_BRANCH: "what on_hangup leads to speaks, asks or connects, though nobody is there",
    UNKNOWN_FLOW: "a sub-flow is not known",
    PARAMETERS: "parameters are not those of the sub-flow",
    RESULTS: "results are not those that are returned",
    RECURSION: "a sub-flow leads back into itself",
    PROMPT_NAME: "what is to be played has a name that no prompt can have",
    PROMPT_MISSING: "what is to be played is not there",
    PROMPT_FORMAT: "what is to be played cannot be opened as audio",
    NOTHING_PLAYED: "a node that plays has nothing to play",
    NO_KEY: "a key that telephones do not have",
    BAD_VALUE: "values that contradict each other",
    BAD_ADDRESS: "a URL or a target that cannot be reached as it is written",
    ANSWER: "the flow speaks or listens before it has answered",
}
"""Each code, in words."""
