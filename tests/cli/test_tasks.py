"""The four tasks on the command line: text from everywhere, text and JSON out."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run

from sibao.cli import schema

ECHO = ("--model", "mock:echo")


def test_text_comes_from_the_command_line(run: Run) -> None:
    done = run("generate", "春眠不觉晓 👍", *ECHO)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "春眠不觉晓 👍\n", "")


def test_text_comes_from_stdin(run: Run) -> None:
    assert run("generate", "-", *ECHO, stdin="处处闻啼鸟").stdout == "处处闻啼鸟\n"
    assert run("generate", "-", *ECHO, stdin="\ufeff处处").stdout == "处处\n"


def test_text_comes_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "诗.txt").write_text("夜来风雨声", encoding="utf-8")
    assert run("generate", "--file", str(tmp_path / "诗.txt"), *ECHO).stdout == "夜来风雨声\n"
    assert run("summarize", str(tmp_path / "诗.txt"), *ECHO).stdout.endswith("夜来风雨声\n")


def test_one_text_gives_one_object(run_json: Run) -> None:
    found = run_json("translate", "我喜欢读书。", "--to", "en", *ECHO)
    schema.TranslateOut.model_validate(found)
    assert (found["command"], found["model"], found["from"], found["to"]) == ("translate", "mock:echo", "zh", "en")
    assert found["usage"]["completion_tokens"] == len(found["text"])


def test_several_texts_give_results(run_json: Run) -> None:
    found = run_json("translate", "你好", "Good morning", *ECHO)
    schema.SeveralOut.model_validate(found)
    assert [(r["from"], r["to"]) for r in found["results"]] == [("zh", "en"), ("en", "zh")]


def test_an_answer_says_where_it_stands(run_json: Run) -> None:
    # The mock gives the prompt back; its first line is the instruction, which the passage does not hold.
    found = run_json("answer", "谁？", "--context", "蔡伦改进了造纸术。", *ECHO)
    schema.AnswerOut.model_validate(found)
    assert found["start"] is None and found["sentence"] is None


def test_a_passage_comes_from_stdin_for_several_questions(run_json: Run) -> None:
    found = run_json("answer", "谁？", "何时？", "--context", "-", *ECHO, stdin="蔡伦改进了造纸术。")
    assert len(found["results"]) == 2


def test_a_form_is_checked(run: Run, run_json: Run) -> None:
    args = ("generate", "春天", "--form", "poem", "--style", "五言", *ECHO)
    found = run_json(*args)
    schema.GenerateOut.model_validate(found)
    assert found["check"]["ok"] is False and found["style"] == "五言"
    assert "form: " in run(*args).stderr


def test_rows_of_a_data_file_become_results(run_json: Run, tmp_path: Path) -> None:
    rows = [{"translation": {"zh": "你好", "en": "Hello"}}, {"text": "再见"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    texts = [r["text"] for r in run_json("translate", "--file", str(path), "--to", "en", *ECHO)["results"]]
    assert [text.split("\n")[1] for text in texts] == ["你好", "再见"]


def test_questions_and_passages_come_from_a_data_file(run_json: Run, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "Who?", "context": "Cai Lun."}\n{"question": "When?", "context": "In 105."}\n')
    assert len(run_json("answer", "--file", str(path), *ECHO)["results"]) == 2
    assert len(run_json("answer", "Where?", "--file", str(path), *ECHO)["results"]) == 2


def test_a_bad_row_is_named_by_file_line_and_field(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "good"}\n{"text": 5}\n')
    done = run("translate", "--file", str(path), *ECHO, "--json")
    error = json.loads(done.stdout)["error"]
    assert done.exit_code == 2 and error["type"] == "DataError"
    assert f"{path}:2 field 'text'" in error["message"] and error["message"].count("field") == 1


def test_new_tokens_are_limited_and_it_is_said(run: Run, run_json: Run) -> None:
    done = run("generate", "abcdef", "--max-tokens", "3", *ECHO)
    assert done.stdout == "abc\n" and "--max-tokens" in done.stderr
    assert run_json("generate", "abcdef", "--max-tokens", "3", *ECHO)["finish_reason"] == "length"


def test_a_model_without_a_template_gets_the_text_as_it_stands(
    run_json: Run, gpt2_folder: Path, qwen_folder: Path
) -> None:
    from sibao.text.tokenizer import Tokenizer

    text = "Once upon a time"

    def prompt_tokens(folder: Path, *flags: str) -> int:
        found = run_json("generate", text, "--model", str(folder), "--max-tokens", "2", *flags)
        return int(found["usage"]["prompt_tokens"])

    plain = len(Tokenizer.load(gpt2_folder).encode(text))
    assert prompt_tokens(qwen_folder, "--raw") == plain
    assert prompt_tokens(qwen_folder) > plain


def test_the_same_seed_draws_the_same_text(run_json: Run, qwen_folder: Path) -> None:
    def text(*flags: str) -> Any:
        return run_json("generate", "春", "--model", str(qwen_folder), "--max-tokens", "12", *flags)["text"]

    warm = ("--temperature", "1.5", "--seed")
    assert text(*warm, "1") == text(*warm, "1") != text(*warm, "2")
    assert text() == text("--temperature", "0") != text(*warm, "1")


def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(run: Run, qwen_folder: Path) -> None:
    done = run("generate", "fox " * 300, "--model", str(qwen_folder))
    assert done.exit_code == 1 and "the model holds 128" in done.stderr and "hint:" in done.stderr
    assert done.stdout == ""


def test_a_long_text_is_translated_in_pieces(run: Run, run_json: Run, qwen_folder: Path) -> None:
    args = ("translate", "今天天气很好。" * 12, "--model", str(qwen_folder), "--max-tokens", "8")
    found = run_json(*args)
    assert found["pieces"] > 1 and "pieces" in found["notes"][0]
    assert "note: the text was translated in" in run(*args).stderr


@pytest.mark.parametrize("command", ["generate", "translate", "summarize", "answer"])
def test_no_text_is_bad_input(run: Run, command: str) -> None:
    done = run(command, *ECHO)
    assert done.exit_code == 2 and "error: " in done.stderr and "internal" not in done.stderr


@pytest.mark.parametrize("text", ["", "   "])
def test_empty_text_is_bad_input(run: Run, text: str) -> None:
    assert run("translate", text, *ECHO).exit_code == 2
    done = run("summarize", "-", *ECHO, stdin=text)
    assert done.exit_code == 2 and "<stdin>: is empty" in done.stderr


def test_a_missing_file_is_bad_input(run: Run) -> None:
    done = run("summarize", "没有.txt", *ECHO)
    assert done.exit_code == 2 and "没有.txt: no such file" in done.stderr


def test_stdin_is_read_once(run: Run) -> None:
    done = run("translate", "-", "--file", "-", *ECHO, stdin="x")
    assert done.exit_code == 2 and "only once" in done.stderr


def test_other_encodings_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "gbk.txt").write_bytes("第一行\n".encode() + "你好".encode("gb18030"))
    done = run("summarize", str(tmp_path / "gbk.txt"), *ECHO)
    assert done.exit_code == 2 and "gbk.txt:2: is not UTF-8" in done.stderr and "iconv" in done.stderr
    (tmp_path / "weights.txt").write_bytes(b"\0\1\2")
    assert "not a text file" in run("summarize", str(tmp_path / "weights.txt"), *ECHO).stderr


@pytest.mark.skipif(
    not (Path(schema.__file__).parents[1] / "mini" / "config.json").is_file(),
    reason="the embedded model is not here yet",
)
def test_mini_translates_without_being_told_a_model(run_json: Run) -> None:
    found = run_json("translate", "我喜欢读书。", "--to", "en")
    assert found["model"] == "mini" and found["text"].isascii()
