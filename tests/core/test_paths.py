"""Atomic writing."""

import stat
from pathlib import Path

import pytest

from sibao.core import paths


def test_write_replaces_whole_files(tmp_path: Path) -> None:
    target = tmp_path / "new" / "文件.txt"
    paths.write_text(target, "旧")
    paths.write_text(target, "新")
    assert target.read_text(encoding="utf-8") == "新"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    paths.write_text(target, "old")
    with pytest.raises(RuntimeError, match="disk"), paths.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("disk")
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "家"))
    assert paths.home() == tmp_path / "家" and paths.home().is_dir()
    assert paths.cache_dir() == tmp_path / "家" / "cache" and paths.runs_dir().is_dir()
