"""One engine in a process of its own, asked by lines of JSON (``bench/peers/protocol.py``)."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from engines.files import RUNNERS, NotRun
from engines.shapes import PLACE

PATIENCE = 900.0
"""Seconds that one answer may take."""


class Client:
    """The process of ``bench/peers/run_<runner>.py``; what its libraries print goes to build/bench/log."""

    def __init__(self, runner: str, python: Path, threads: int, patience: float = PATIENCE) -> None:
        self.patience = patience
        self.log = PLACE / "log" / f"{runner}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUTF8": "1"}
        alone = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [str(python), str(RUNNERS / f"run_{runner}.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8",
                env=os.environ | offline | alone,
            )  # fmt: skip

    def ask(self, op: str, **given: Any) -> dict[str, Any]:
        """The answer to one question.

        Raises:
            NotRun: the engine refused, died, or took too long.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        guard = threading.Timer(self.patience, self.process.kill)
        guard.start()
        try:
            self.process.stdin.write(json.dumps({"op": op, **given}, ensure_ascii=False) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            guard.cancel()
        if not line:
            raise NotRun(f"the process ended ({self._last_words()})")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NotRun(str(answer["error"]))
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _last_words(self) -> str:
        said = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return said[-1][:120] if said else "it said nothing"
