"""Programs under test: what passes, what is stopped, and that nothing of them is left."""

import os
import socket
import sys
import textwrap
import time
from pathlib import Path

import pytest

from sibao.core.errors import BadInput
from sibao.evaluation import sandbox
from sibao.evaluation.sandbox import Ran, permission, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the sandbox needs a POSIX system")


def ran(program: str, timeout: float = 20.0, memory: int = 512 << 20) -> Ran:
    with permission():
        return run(textwrap.dedent(program), timeout=timeout, memory=memory)


def test_nothing_runs_without_permission() -> None:
    with pytest.raises(BadInput) as caught:
        run("print(1)")
    assert "--run-code" in caught.value.hint


def test_permission_ends_with_its_block_and_can_be_taken_back() -> None:
    with permission(), permission(False), pytest.raises(BadInput):
        run("print(1)")
    with pytest.raises(BadInput):
        sandbox.require("humaneval")


def test_a_program_that_reaches_its_end_passes() -> None:
    result = ran("print('你好')\nassert 1 + 1 == 2")
    assert (result.passed, result.how, result.output) == (True, "end", "你好\n")


@pytest.mark.parametrize(
    "program",
    ["assert 1 + 1 == 3", "raise SystemExit(0)", "import os; os._exit(0)", "def f(:\n", "\0", "import numpy"],
)
def test_a_program_that_does_not_reach_its_end_fails(program: str) -> None:
    result = ran(program)
    assert (result.passed, result.how) == (False, "fault")


def test_a_fault_is_shown() -> None:
    assert "ZeroDivisionError" in ran("1 / 0").output


def test_an_endless_loop_is_stopped_by_the_clock() -> None:
    begun = time.monotonic()
    result = ran("while True: pass", timeout=1.0)
    assert result.how == "time" and not result.passed
    assert time.monotonic() - begun < 10


def test_one_long_computation_is_stopped_too() -> None:
    assert ran("10 ** 10 ** 9", timeout=1.0).how == "time"


def test_sleeping_does_not_outlast_the_clock() -> None:
    assert (
        ran("import time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)", timeout=1.0).how
        == "time"
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS keeps no limit of address space")
def test_memory_is_bounded() -> None:
    result = ran("x = bytearray(1 << 30)", memory=256 << 20)
    assert not result.passed and "MemoryError" in result.output


def test_output_is_bounded() -> None:
    result = ran("while True: print('x' * 1000)")
    assert not result.passed
    assert len(result.output) == sandbox.OUTPUT_BYTES


def test_files_are_bounded() -> None:
    assert "File too large" in ran("open('big', 'wb').write(bytes(64 << 20))").output


@pytest.mark.parametrize(
    "program",
    [
        "import os\nwhile True: os.fork()",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.system('true')",
        "import os\nos.execv('/bin/true', ['true'])",
        "import multiprocessing as m\np = m.Process(target=print)\np.start()\np.join()\nassert p.exitcode == 0",
        "import ctypes",
        "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        "import os\nos.kill(os.getppid(), 9)",
    ],
)
def test_other_programs_and_sockets_are_refused(program: str) -> None:
    result = ran(program)
    assert not result.passed and result.how == "fault" and "not allowed in the sandbox" in result.output


def test_threads_are_bounded() -> None:
    result = ran(
        """
        import threading, time
        for _ in range(10_000):
            threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        """
    )
    assert not result.passed


def test_files_may_be_written_in_the_folder_and_are_gone_afterwards(tmp_path: Path) -> None:
    result = ran(
        """
        import os, pathlib, shutil, tempfile
        os.mkdir("one")
        pathlib.Path("one/two.txt").write_text("x")
        os.rename("one/two.txt", "one/three.txt")
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "four").write_text("y")
        shutil.rmtree("one")
        print(os.getcwd())
        """
    )
    assert result.passed, result.output
    assert not Path(result.output.strip()).exists()


@pytest.mark.parametrize(
    "program",
    [
        "open({path!r}, 'w')",
        "open({path!r}, 'a')",
        "import os\nos.open({path!r}, os.O_RDWR)",
        "import os\nos.remove({path!r})",
        "import os\nos.rename({path!r}, 'mine')",
        "import os\nos.symlink({folder!r}, 'door')\nopen('door/kept.txt', 'w')",
        "import os\nos.truncate({path!r}, 0)",
        "import shutil\nshutil.rmtree({folder!r})",
        "import os\nfd = os.open({folder!r}, os.O_RDONLY)\nos.remove('kept.txt', dir_fd=fd)",
        "import os\nos.chmod({path!r}, 0)",
    ],
)
def test_nothing_outside_is_changed(program: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    result = ran(program.format(path=str(kept), folder=str(tmp_path)))
    assert not result.passed and "not allowed" in result.output
    assert kept.read_text() == "kept" and kept.stat().st_mode & 0o400


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_SECRET", "key-123")
    result = ran("import os\nprint(os.environ, os.path.expanduser('~') == os.getcwd())")
    assert "key-123" not in result.output and "True" in result.output


def test_sets_have_one_order() -> None:
    program = "print(list({'a', 'b', 'c', 'd', 'e', '一', '二'}))"
    assert ran(program).output == ran(program).output


def test_the_package_does_not_hide_modules_of_python() -> None:
    """evaluation/statistics.py stands beside the launcher."""
    assert ran("import statistics\nassert statistics.mean([1, 3]) == 2").passed


def test_where_namespaces_can_be_made_there_is_no_network() -> None:
    if not sandbox.namespaces():
        assert ran("pass").network
        pytest.skip("this system makes no namespaces")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        import subprocess

        bare = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False)
        held = subprocess.run([*sandbox.namespaces(), sys.executable, "-c", probe], capture_output=True, check=False)
    assert (bare.returncode == 0, held.returncode == 0) == (True, False)
    assert not ran("pass").network


def test_without_namespaces_the_result_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "namespaces", lambda: ())
    assert ran("pass") == Ran(True, "end", "", pytest.approx(0, abs=20), network=True)


def test_nothing_of_a_stopped_program_lives_on() -> None:
    import psutil

    folder = ran("import os, time\nprint(os.getcwd(), flush=True)\ntime.sleep(60)", timeout=5.0).output.strip()
    assert folder
    time.sleep(0.2)
    assert [p.pid for p in psutil.process_iter(["cmdline"]) if folder in " ".join(p.info["cmdline"] or [])] == []
