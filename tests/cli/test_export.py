"""sibao export on the command line."""

from pathlib import Path

from tests.cli.conftest import Run

from sibao.cli import schema


def test_a_model_is_exported(run: Run, run_json: Run, qwen_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "出口"
    found = run_json("export", str(qwen_folder), "--out", str(out), "--precision", "bf16")
    schema.ExportOut.model_validate(found)
    assert found["format"] == "hf" and found["precision"] == "bf16" and (out / "config.json").is_file()
    shown = run("export", str(out), "--out", str(tmp_path / "gguf"), "--format", "gguf", "--name", "春")
    assert shown.exit_code == 0 and "春-BF16.gguf" in shown.stdout and "0 scores in the model card" in shown.stdout
    assert run("generate", "春", "--model", str(out), "--max-tokens", "2", "--raw").exit_code == 0


def test_bad_input_is_refused_with_what_to_do(run: Run, qwen_folder: Path, tmp_path: Path) -> None:
    for args, message in (
        ((str(qwen_folder), "--out", str(qwen_folder)), "is not empty"),
        ((str(qwen_folder), "--out", str(tmp_path / "a"), "--merge"), "carries no adapter"),
        (("没有", "--out", str(tmp_path / "a")), "no model named"),
    ):
        done = run("export", *args)
        assert (
            done.exit_code == 2 and message in done.stderr and "hint:" in done.stderr and not (tmp_path / "a").exists()
        )


def test_an_evaluated_model_carries_its_scores(run: Run, run_json: Run, qwen_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "对照.jsonl"
    data.write_text('{"translation": {"zh": "我喜欢读书。", "en": "I like reading."}}\n' * 4, encoding="utf-8")
    flags = ("--task", "translate", "--data", str(data), "--max-tokens", "4", "--quiet")
    scores = run_json("evaluate", str(qwen_folder), *flags)["scores"]
    done = run_json("export", str(qwen_folder), "--out", str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert done["scores"] == len(scores) > 0
    assert all(f"type: {score['name']}" in card for score in scores) and "对照.jsonl" in card
