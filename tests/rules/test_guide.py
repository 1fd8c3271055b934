"""docs/guide: its two languages say the same, its code runs, and the guide's own example is mended token for token."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import tiny_tokenizer
from typer.testing import CliRunner

from sibao.cli.main import app
from sibao.core.types import Sampling
from sibao.engine.build import build
from sibao.engine.request import Request
from sibao.models.folder import load_model
from sibao.models.names import MINI
from sibao.text.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "guide" / name for name in ("README.md", "README.zh-CN.md")]
VOCABULARY = ROOT.parent / "shared" / "data" / "tokenizers" / "gpt2"
PROMPT = "这是一个关于人工智能的博客文章。"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS: list[tuple[str, str]] = FENCE.findall(PAGES[0].read_text(encoding="utf-8"))
needs_mini = pytest.mark.skipif(not (MINI / "config.json").is_file(), reason="mini is not in this checkout")
needs_vocabulary = pytest.mark.skipif(
    not (VOCABULARY / "vocab.json").is_file(),
    reason="GPT-2's published vocab.json and merges.txt are not beside this checkout",
)


def test_both_languages_have_the_same_sections_code_and_links() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    prose = [FENCE.sub("", text) for text in texts]
    assert FENCE.findall(texts[0]) == FENCE.findall(texts[1])
    heads = [re.findall(r"^(#+) ([\d.]*)", text, re.MULTILINE) for text in prose]
    assert heads[0] == heads[1] and len(heads[0]) > 30
    names = {page.name for page in PAGES}
    links = [sorted(set(re.findall(r"\]\(([^)]+)\)", text)) - names) for text in prose]
    assert links[0] == links[1]


def gpt2(folder: Path, vocabulary: Path | None) -> Path:
    """A small random GPT-2 from Transformers; with the published vocabulary, or with that of the tests."""
    from transformers import GPT2Config, GPT2LMHeadModel

    size = 50257 if vocabulary else 400
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, initializer_range=0.3)
    config.bos_token_id = config.eos_token_id = size - 1 if vocabulary else 0
    GPT2LMHeadModel(config).save_pretrained(folder)
    if vocabulary:
        for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
            shutil.copyfile(vocabulary / name, folder / name)
    else:
        tiny_tokenizer().save(folder)
    return folder


def example(which: str) -> str:
    """One of the two programs of section 5.1."""
    (found,) = (code for language, code in BLOCKS if language == "python" and "gpt2" in code and which in code)
    return found


def printed(code: str) -> str:
    """What a program prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "guide", "exec"), {"__name__": "__main__"})
    return out.getvalue()


@needs_vocabulary
def test_the_vocabulary_is_gpt2s() -> None:
    tokenizer = Tokenizer.load(VOCABULARY)
    assert tokenizer.encode("Hello world") == [15496, 995]
    assert (len(PROMPT), len(tokenizer.encode(PROMPT))) == (16, 28)
    assert all("28" in page.read_text(encoding="utf-8") for page in PAGES)


@needs_vocabulary
def test_the_example_prints_the_same_in_transformers_and_in_sibao(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpt2(tmp_path / "gpt2", VOCABULARY)
    monkeypatch.chdir(tmp_path)
    theirs, ours = printed(example("transformers")), printed(example("import sibao"))
    assert theirs == ours and theirs.startswith(PROMPT) and len(theirs) > len(PROMPT) + 50


@pytest.mark.parametrize(
    "real", [pytest.param(True, marks=needs_vocabulary, id="gpt2"), pytest.param(False, id="tiny")]
)
def test_the_example_is_the_same_token_for_token(real: bool, tmp_path: Path) -> None:
    from transformers import GPT2LMHeadModel

    folder = gpt2(tmp_path / "gpt2", VOCABULARY if real else None)
    tokenizer = Tokenizer.load(folder)
    ids = tokenizer.encode(PROMPT)
    assert not real or len(ids) == 28
    end = tokenizer.eos_ids[0] if real else 0
    want = GPT2LMHeadModel.from_pretrained(folder).generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_length=100, do_sample=False, pad_token_id=end,
    )[0].tolist()  # fmt: skip
    request = Request("a", ids, Sampling(), frozenset({end}), 100 - len(ids))
    got = [i for event in build(load_model(folder)).submit(request) for i in event.token_ids]
    assert ids + got == want[: len(ids) + len(got)] and set(want[len(ids) + len(got) :]) <= {end}
    assert len(set(got)) > 3


@needs_vocabulary
def test_as_the_guide_prints_it_it_fails(tmp_path: Path) -> None:
    from transformers import GPT2LMHeadModel, GPT2Tokenizer

    folder = gpt2(tmp_path / "gpt2", VOCABULARY)
    model, tokenizer = GPT2LMHeadModel.from_pretrained(folder), GPT2Tokenizer.from_pretrained(folder)
    ids = tokenizer.encode(PROMPT)
    assert isinstance(ids, list)
    with pytest.raises((AttributeError, TypeError)):
        model.generate(ids, max_length=100)


@pytest.mark.slow  # trains an adapter, for three steps
@needs_mini
def test_every_block_that_can_run_here_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("SIBAO_OFFLINE", raising=False)
    for language, code in BLOCKS:
        if language == "python" and "gpt2" not in code:
            assert printed(code) or "write_text" in code
        for line in code.splitlines() if language == "sh" else []:
            run(line)


def run(line: str) -> None:
    """One command line, perhaps with ``echo TEXT |`` before it."""
    words = shlex.split(line)
    start = words.index("sibao")
    given: Any = words[1] if start else None
    done = CliRunner().invoke(app, words[start + 1 :], input=given)
    assert done.exit_code == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert done.stdout  # an empty line is an answer: that there is none
