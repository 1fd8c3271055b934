"""What ``sibao serve`` prints works when it is pasted into a shell, whatever the model's folder is called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_printed_lines_work_when_pasted(qwen_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a "model" 模型' / "m=1"
    shutil.copytree(qwen_folder, folder)
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "SIBAO_HOME": str(tmp_path / "home"), "PATH": paths, "OMP_NUM_THREADS": "1"}
    env |= {"PYTHONPATH": str(ROOT / "src"), "no_proxy": "127.0.0.1"}
    command = [sys.executable, "-m", "sibao", "serve", "--model", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as server:
        try:
            assert server.stdout
            printed = ""
            while "python -c" not in printed:
                line = server.stdout.readline()
                assert line, printed
                printed += line
            assert str(folder) in printed.splitlines()[0]
            curl, python = printed[printed.index("  curl") : printed.index("  python -c")], line
            asked = [
                subprocess.run(["bash", "-c", text], capture_output=True, text=True, env=env, timeout=120, check=False)
                for text in (curl, python)
            ]
        finally:
            server.terminate()
    assert json.loads(asked[0].stdout)["model"] == str(folder), asked[0]
    assert asked[1].returncode == 0 and asked[1].stderr == "", asked[1]
