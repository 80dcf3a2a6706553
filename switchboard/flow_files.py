"""The flows that the configuration names, read and checked with their prompts."""

from __future__ import annotations

from pathlib import Path

from config.loader import config_error, suggestion
from config.queue_checks import flows_named
from config.schema import Config
from ivr_flows.checks.prompts import check_prompts
from ivr_flows.errors import FlowError
from ivr_flows.loader import LIBRARY, read_library
from ivr_flows.model import Flow
from switchboard.prompt_names import PromptNames


def load_flows(config: Config, file: Path | None = None) -> dict[str, Flow]:
    """The packaged flows and those of the configuration, which `file` holds; raises FlowError and ConfigError."""
    flows, sources = read_library(flow_paths(config))
    prompts = PromptNames([Path(path) for path in config.media.prompts])
    for name, flow in flows.items():
        faults = sorted(check_prompts(flow, sources[name], prompts), key=lambda fault: (fault.line, fault.column))
        if faults:
            first = faults[0]
            raise FlowError(
                first.file, first.line, first.column, first.message, first.suggestion, others=tuple(faults[1:])
            )
    for path, name in flows_named(config):
        if name not in flows:
            hint = suggestion(name, list(flows)) or f"known here: {', '.join(sorted(flows))}"
            raise config_error(file, path, f"no flow is called '{name}'", hint)
    return flows


def flow_paths(config: Config) -> tuple[Path, ...]:
    """Where flows are read from: the packaged ones first, so that the operator's own replace them."""
    return (LIBRARY, *(Path(path) for path in config.flows))
