"""The first token never waits for the compiler: until the kernels are there PyTorch's operators compute."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from sibao.core.types import Sampling
from sibao.engine.build import build
from sibao.engine.engine import Engine
from sibao.engine.native import library as module
from sibao.engine.native.library import COMPILING, missing, missing_now, ready
from sibao.engine.native.runner import NativeRunner
from sibao.engine.request import Request
from sibao.engine.torch_runner import TorchRunner
from sibao.nn.config import DecoderConfig
from sibao.nn.decoder import Decoder

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "there are kernels")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where kernels are to be, on a machine that has none yet; its compiler ends when a file named ``go`` is there."""
    real, path = module._path(), tmp_path / "kernels.so"
    copy = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; for last; do :; done; cp {real} $last"
    write(tmp_path / "compiler", copy)
    monkeypatch.setattr(module, "_path", lambda: path)
    monkeypatch.setattr(module, "compiler", lambda: str(tmp_path / "compiler"))
    return tmp_path


def write(file: Path, words: str) -> None:
    file.write_text(f"#!/bin/sh\n{words}\n", encoding="utf-8")
    file.chmod(0o755)


def until_there(place: Path) -> None:
    (place / "go").touch()
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end, "the compiler never ended"
        time.sleep(0.02)


def engine(**how: bool) -> Engine:
    network = Decoder(DecoderConfig(89, 40, 2, 4, 2, 10, 72, 100, initializer_range=0.3))
    network.initialize(1)
    return build(network, family="llama", **how)  # type: ignore[arg-type]


def tokens(made: Engine) -> list[int]:
    return [t for event in made.submit(Request("a", [3, 4, 5], Sampling(), max_tokens=9)) for t in event.token_ids]


def test_an_engine_takes_the_kernels_when_they_are_there(place: Path) -> None:
    assert missing_now() == missing_now() == COMPILING, "the second one waits for the first one's compiler"
    made = engine()
    assert isinstance(made.runner, TorchRunner) and made.guesser is None
    wanted = tokens(made)
    events = made.submit(Request("long", [7], Sampling(), max_tokens=40))
    next(events)
    until_there(place)
    assert tokens(made) == wanted and isinstance(made.runner, TorchRunner), "not while something runs"
    list(events)
    assert tokens(made) == wanted and isinstance(made.runner, NativeRunner) and made.guesser is not None
    assert tokens(made) == wanted and not made.busy and not made.held
    assert not [file for file in place.iterdir() if file.suffix not in (".so", "")], "nothing half-done stays"


def test_who_guesses_nothing_guesses_nothing_later(place: Path) -> None:
    made = engine()
    made.guesser = None
    until_there(place)
    tokens(made)
    assert isinstance(made.runner, NativeRunner) and made.guesser is None


def test_a_compiler_that_fails_is_not_asked_again(place: Path) -> None:
    write(place / "compiler", f"echo no such instruction >&2; echo >> {place}/count; exit 1")
    end = time.monotonic() + 60
    while (said := missing_now()) == COMPILING:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert said.endswith("failed: no such instruction") and missing_now() == said
    assert (place / "count").read_text() == "\n" and isinstance(engine().runner, TorchRunner)


def test_what_only_the_kernels_can_do_waits(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "go").touch()
    missing.cache_clear()
    assert isinstance(engine(deterministic=True).runner, NativeRunner)
    assert shutil.which("sh") and (place / "kernels.so").exists()
