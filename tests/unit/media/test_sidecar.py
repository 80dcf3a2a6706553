"""The file beside a recording, where the disk takes no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.recorder.sidecar import read_sidecar, write_sidecar


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told before is told still, and no empty file lies beside it for ever."""
    sidecar = tmp_path / "call.json"
    write_sidecar(sidecar, {"seconds": 1.0})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("media.recorder.sidecar.json.dump", full)
    with pytest.raises(OSError, match="No space"):
        write_sidecar(sidecar, {"seconds": 2.0})
    assert [path.name for path in tmp_path.iterdir()] == ["call.json"]
    assert read_sidecar(sidecar) == {"seconds": 1.0}
