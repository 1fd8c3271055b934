"""The committed bundle: what the sources give, whole, small, and of this host only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "src/sibao/server/page"
MOST_BYTES = 200_000
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_page_asks_for_what_is_there() -> None:
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    wanted = re.findall(r'(?:src|href)="\./([^"]+)"', index)
    assert len(wanted) == 3 and all(re.fullmatch(r"assets/\w+-[\w-]{8}\.(js|css|svg)", name) for name in wanted)
    assert sorted(["index.html", *wanted]) == sorted(files(PAGE))


def test_nothing_inline_and_nothing_from_elsewhere() -> None:
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", index)
    for name, content in files(PAGE).items():
        text = content.decode("utf-8")
        hosts = set(re.findall(r"https?://([\w.-]+)", text)) - {"www.w3.org"}  # names of SVG and MathML
        assert hosts == set(), f"{name} names {hosts}"
        assert "sourceMappingURL" not in text


def test_the_page_s_own_code_writes_no_html_and_no_style() -> None:
    """Elements and classes only: the policy forbids the one, and what a model wrote must not become the other."""
    for path in (ROOT / "web/src").rglob("*.ts*"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|style=", text), path


def test_it_is_small() -> None:
    assert sum(map(len, files(PAGE).values())) < MOST_BYTES


def test_it_is_what_the_sources_give(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: the bundle cannot be built again here")
    web = tmp_path / "web"
    shutil.copytree(ROOT / "web", web, ignore=shutil.ignore_patterns("node_modules"))
    if is_installed(ROOT / "web"):
        (web / "node_modules").symlink_to(ROOT / "web/node_modules")
    else:
        fetched = run(npm, "ci", "--no-audit", "--no-fund", cwd=web)
        if any(word in fetched.stderr for word in UNREACHABLE):
            pytest.skip(f"npm reaches no registry here: {fetched.stderr.strip()[:200]}")
        assert fetched.returncode == 0, fetched.stderr
    built = run(npm, "run", "build", cwd=web)
    assert built.returncode == 0, built.stdout + built.stderr
    assert files(tmp_path / "src/sibao/server/page") == files(PAGE), "run `make web` and commit src/sibao/server/page"


def is_installed(web: Path) -> bool:
    """Whether the packages that the lock file names are there, in its versions; those of other platforms are optional."""
    if not (web / "node_modules/.package-lock.json").is_file():
        return False
    held, named = (
        {name: one for name, one in json.loads(path.read_text(encoding="utf-8"))["packages"].items() if name}
        for path in (web / "node_modules/.package-lock.json", web / "package-lock.json")
    )
    versions = {name: one["version"] for name, one in named.items() if name in held or not one.get("optional")}
    return versions == {name: one["version"] for name, one in held.items()}


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=500)
