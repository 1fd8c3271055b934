"""``import sibao`` is light: standard library only, and quick."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
LIGHT_CORE = (
    "api_energy", "chinese", "config", "energy", "errors", "fair_lock", "names", "paths", "prices", "progress", "system", "types",
)  # fmt: skip
LOADED = """
import sys
before = set(sys.modules)
import {module}
found = {{name.partition(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names)
print(" ".join(sorted(found)))
"""
TIMED = "import time; began = time.process_time(); import sibao; print(time.process_time() - began)"


def fresh(code: str) -> str:
    """What a new interpreter prints."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_else() -> None:
    assert fresh(LOADED.format(module="sibao")) == "sibao"


def test_the_ground_floor_loads_nothing_else() -> None:
    modules = ", ".join(f"sibao.core.{name}" for name in LIGHT_CORE)
    assert fresh(LOADED.format(module=modules)) == "sibao"


def test_every_ground_floor_module_is_listed_here() -> None:
    files = {path.stem for path in (SOURCE / "sibao" / "core").glob("*.py")} - {"__init__"}
    assert files == set(LIGHT_CORE)


def test_importing_the_package_is_quick() -> None:
    assert min(float(fresh(TIMED)) for _ in range(3)) < 0.2
