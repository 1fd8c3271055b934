"""The Python verbs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sibao
from sibao.core.errors import BadInput, ContextOverflow, DataError, UnknownName
from sibao.core.types import Scorer
from sibao.workflows.jobs import Job, _Trim, job


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings from nowhere else."""
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path))
    monkeypatch.setenv("SIBAO_MODEL", "mock:echo")


def test_one_text_gives_one_result_and_a_list_gives_a_list() -> None:
    assert sibao.generate("你好").text == "你好"
    assert [r.text for r in sibao.generate(["你好", "再见"], model="mock:reverse")] == ["好你", "见再"]
    assert sibao.generate([]) == []


def test_the_model_of_the_settings_is_the_default() -> None:
    assert sibao.load().name == "mock:echo"


def test_all_verbs_answer() -> None:
    model = sibao.load("mock:echo")
    assert sibao.translate("你好", to="en", model=model).fields == {"from": "zh", "to": "en", "pieces": 1}
    assert sibao.answer(["谁？", "何时？"], "蔡伦。", model=model)[1].fields["pieces"] == 1
    assert sibao.summarize("天气很好。", model=model).text.endswith("天气很好。")
    assert sibao.chat([{"role": "user", "content": "早"}], model=model, system="Be brief.").text == "早"


def test_options_reach_the_model(qwen_folder: Path) -> None:
    model = sibao.load(str(qwen_folder))
    warm = [sibao.generate("春", model=model, max_tokens=12, temperature=1.5, seed=seed).text for seed in (1, 1, 2)]
    assert warm[0] == warm[1] != warm[2]
    assert sibao.generate("春", model=model, max_tokens=5).usage.completion_tokens <= 5
    assert sibao.generate("abc|def", model="mock:echo", stop="|").text == "abc"


def test_sampling_does_not_undo_the_splitting_of_a_long_text(qwen_folder: Path) -> None:
    text = "今天天气很好。" * 24
    result = sibao.summarize(text, model=str(qwen_folder), temperature=0.5, seed=1, max_tokens=8)
    assert result.fields["pieces"] > 1


def test_mistakes_are_named() -> None:
    with pytest.raises(UnknownName, match="no option named 'temprature'") as error:
        sibao.generate("x", temprature=1)
    assert "temperature" in error.value.hint
    with pytest.raises(DataError, match="'prompt'"):
        sibao.generate("  ")
    with pytest.raises(BadInput, match="2 questions and 1 passages"):
        sibao.answer(["a", "b"], ["c"])
    with pytest.raises(DataError, match="user turn"):
        sibao.chat([{"role": "assistant", "content": "hi"}])
    with pytest.raises(AttributeError, match="no attribute 'translat'"):
        _ = sibao.translat  # type: ignore[attr-defined]


def test_a_prompt_that_does_not_fit_is_refused(qwen_folder: Path) -> None:
    with pytest.raises(ContextOverflow, match="the model holds 128"):
        sibao.generate("fox " * 300, model=str(qwen_folder))


def test_a_named_model_is_kept_until_its_folder_changes(tmp_path: Path) -> None:
    from tests.tiny import tiny_folder

    from sibao.workflows.api import _model

    folder = tiny_folder(tmp_path / "m")
    first = _model(str(folder))
    assert _model(str(folder)) is first
    tiny_folder(folder, seed=5)
    assert _model(str(folder)) is not first


def streamed(work: Job, text: str) -> tuple[list[str], str]:
    pieces: list[str] = []
    field = work.task.document or "prompt"
    return pieces, work.stream(work.task.inputs(**{field: text}), pieces.append).text


def test_a_stream_says_what_the_result_says(qwen_folder: Path) -> None:
    model = sibao.load(str(qwen_folder))
    for task in ("generate", "translate", "summarize"):
        pieces, text = streamed(job(task, model, max_tokens=12, temperature=1.2, seed=3), "春眠不觉晓")
        assert len(pieces) > 1 and "".join(pieces) == text


@given(st.lists(st.text("字a \n\t\u3000", max_size=4), max_size=8))
def test_streamed_text_is_trimmed_like_the_whole(parts: list[str]) -> None:
    written: list[str] = []
    trim, indented = _Trim(written.append), list[str]()
    keep = _Trim(indented.append, "\n")
    for part in parts:
        trim(part)
        keep(part)
    assert "".join(written) == "".join(parts).strip()
    assert "".join(indented) == "".join(parts).strip("\n").rstrip()


def test_a_long_text_comes_in_one_piece(qwen_folder: Path) -> None:
    pieces, text = streamed(job("translate", sibao.load(str(qwen_folder)), max_tokens=6), "今天天气很好。" * 12)
    assert pieces == [text]


def test_sentences_are_translated_one_by_one_where_that_is_better() -> None:
    model = sibao.load("mock:echo")
    model.name = "mini"
    work = job("translate", model)
    assert work.piece_tokens == 70
    assert work.run([work.task.inputs(text="今天天气很好，我们去公园。" * 12)])[0].fields["pieces"] > 1
    assert job("summarize", model).piece_tokens is None


def test_raw_hides_the_template_and_scores_stay(qwen_folder: Path, gpt2_folder: Path) -> None:
    model = sibao.load(str(qwen_folder))
    assert job("generate", model).model.has_template and not job("generate", model, raw=True).model.has_template  # type: ignore[attr-defined]
    scorer = job("generate", model, raw=True).model
    assert isinstance(scorer, Scorer) and scorer.score([("春", "眠")]) == model.score([("春", "眠")])  # type: ignore[attr-defined]
    assert not isinstance(job("generate", sibao.load("mock:echo")).model, Scorer)


def test_describe_asks_about_all_pictures_at_once() -> None:
    found = sibao.describe(["a.png", b"\x89PNG"], question="一样吗？", model="mock:echo")
    assert found.text == "[image]\n[image]\n看图回答问题。\n问题：一样吗？" and found.fields["to"] == "zh"
    assert sibao.describe(video="walk.mp4", frames=3, model="mock:echo").text.startswith("[video]\nThese are frames")
    with pytest.raises(DataError, match="missing, wanted a picture or a film"):
        sibao.describe(model="mock:echo")
