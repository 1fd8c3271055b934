"""data, tokenizer, runs, doctor, pretrain on the command line."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from sibao.cli import schema

TEXT = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。我喜欢读书，也喜欢写字，今天天气很好，我们去公园散步。"
ENGLISH = "The quick brown fox jumps over the lazy dog while the rain falls softly on the old stone bridge."


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    """A small file with two languages and a duplicate."""
    path = tmp_path / "语料.jsonl"
    rows = [{"text": text} for text in (TEXT, ENGLISH, TEXT)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_data_is_inspected(run: Run, run_json: Run, corpus: str, qwen_folder: Path) -> None:
    found = run_json("data", "inspect", corpus, "--tokenizer", str(qwen_folder))
    schema.DataOut.model_validate(found)
    assert found["rows"] == 3 and found["duplicates"]["exact"] == 1 and found["tokens"] > 0
    assert "语料" in json.dumps(found, ensure_ascii=False)
    shown = run("data", "inspect", corpus)
    assert shown.exit_code == 0 and "zh" in shown.stdout


def test_data_is_prepared(run_json: Run, corpus: str, tmp_path: Path) -> None:
    out = tmp_path / "clean.jsonl"
    found = run_json("data", "prepare", corpus, "--out", str(out), "--no-clean")
    schema.DataOut.model_validate(found)
    assert found["documents"] == 2 and len(out.read_text(encoding="utf-8").splitlines()) == 2


def test_a_bad_row_stops_the_preparation(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "fine"}\nnot json\n')
    done = run("data", "prepare", str(path), "--out", str(tmp_path / "out.jsonl"))
    assert done.exit_code == 2 and "bad.jsonl:2" in done.stderr and not (tmp_path / "out.jsonl").exists()


def test_a_tokenizer_is_trained_and_inspected(run: Run, run_json: Run, corpus: str, tmp_path: Path) -> None:
    out = str(tmp_path / "tokenizer")
    found = run_json("tokenizer", "train", corpus, "--out", out, "--vocab-size", "320", "--min-frequency", "1")
    schema.TokenizerOut.model_validate(found)
    assert found["vocab_size"] == 320 and set(found["languages"]) == {"zh", "en"}
    assert found["languages"]["en"]["tokens_per_character"] < 1
    tokens = run_json("tokenizer", "inspect", "春天 👍", "--model", out)
    schema.TokensOut.model_validate(tokens)
    assert tokens["exact"] and tokens["count"] == len(tokens["tokens"])
    assert "token" in run("tokenizer", "inspect", "-", "--model", out, stdin="春天").stdout
    again = run("tokenizer", "train", corpus, "--out", out)
    assert again.exit_code == 2 and "already" in again.stderr


def test_runs_are_listed_shown_and_deleted(run: Run, run_json: Run) -> None:
    from sibao.core.types import Score
    from sibao.store.runs import add_scores, create_run, finish_run

    assert "no runs yet" in run("runs").stdout
    one = create_run("evaluate", "mini", {"task": "answer"})
    add_scores(one, [Score("f1", 0.5, 0.4, 0.6, n=10, signature="f1|v1")])
    finish_run(one, "done", {"speed": 3})
    schema.RunsOut.model_validate(run_json("runs"))
    assert run_json("runs", "list", "--kind", "pretrain")["runs"] == []
    found = run_json("runs", "show", one[:6])
    schema.RunOut.model_validate(found)
    assert found["run"] == one and found["scores"][0]["value"] == 0.5
    shown = run("runs", "show", one)
    assert "f1: 0.5 [0.4, 0.6]" in shown.stdout and one in run("runs").stdout
    schema.DeletedOut.model_validate(run_json("runs", "delete", one))
    gone = run("runs", "show", one)
    assert gone.exit_code == 2 and "no runs yet" in gone.stderr


def test_doctor_looks_at_everything(run: Run, run_json: Run, home: Path) -> None:
    done = run("doctor", "--json")
    found = json.loads(done.stdout)
    schema.DoctorOut.model_validate(found)
    checks = {check["name"]: check for check in found["checks"]}
    assert done.exit_code == (0 if found["ok"] else 1)
    assert {n for n, c in checks.items() if c["status"] == "fail"} <= {"mini"}  # which may not be made yet
    assert {"python", "torch", "cores", "memory", "disk", "database", "home", "terminal"} <= set(checks)
    assert {"serve", "page", "port"} <= set(checks)
    assert str(home) in checks["home"]["value"] and "database" in run("doctor").stdout


def test_doctor_finds_what_is_broken(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIBAO_DATABASE_URL", f"sqlite:///{tmp_path}/file/x.db")
    done = run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.exit_code == 1 and checks["database"]["status"] == "fail" and checks["database"]["value"]


def test_training_needs_one_thing_to_start_from(run: Run) -> None:
    for args in (["pretrain"], ["pretrain", "a.toml", "--resume", "r1"], ["finetune"], ["finetune", "mini"]):
        done = run(*args)
        assert done.exit_code == 2 and "error: " in done.stderr, args
    assert "does not exist" in run("pretrain", "没有.toml").stderr
    assert "no training run begins" in run("pretrain", "--resume", "rzzz").stderr


def test_a_model_is_trained_and_resumed(run: Run, run_json: Run, corpus: str, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(f"""
[model.config]
hidden_size = 32
num_hidden_layers = 1
num_attention_heads = 2
num_key_value_heads = 1
head_dim = 16
intermediate_size = 64
max_position_embeddings = 64
[tokenizer]
vocab_size = 320
[data]
train = ["{corpus}"]
valid = ["{corpus}"]
sequence_length = 32
[schedule]
steps = 3
warmup = 1
[run]
rows = 2
micro_rows = 2
precision = "fp32"
""")
    found = run_json("pretrain", str(recipe), "--steps", "2", "--quiet")
    schema.TrainOut.model_validate(found)
    assert found["steps"] == 2 and found["status"] == "done" and Path(found["model"], "config.json").is_file()
    again = run("pretrain", "--resume", found["run"], "--steps", "3", "--quiet")
    assert again.exit_code == 0 and "done after 3 steps" in again.stdout
    written = run("generate", "The", "--model", found["model"], "--max-tokens", "2", "--raw")
    assert written.exit_code == 0


def rows(path: Path, count: int) -> str:
    """Sentence pairs."""
    pairs = [{"translation": {"zh": f"我有{n}本书。", "en": f"I have {n} books."}} for n in range(count)]
    path.write_text("".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs), encoding="utf-8")
    return str(path)


def test_a_model_is_finetuned_and_evaluated(run: Run, run_json: Run, qwen_folder: Path, tmp_path: Path) -> None:
    data, out = rows(tmp_path / "pairs.jsonl", 12), tmp_path / "adapter"
    args = ("--data", data, "--task", "translate", "--steps", "2", "--rank", "2", "--out", str(out), "--quiet")
    trained = run_json("finetune", str(qwen_folder), *args)
    schema.TrainOut.model_validate(trained)
    assert trained["steps"] == 2 and (out / "adapter_config.json").is_file()
    flags = ("--task", "translate", "--data", data, "--to", "zh", "--limit", "4", "--max-tokens", "4", "--quiet")
    found = run_json("evaluate", str(qwen_folder), *flags, "--compare", f"{qwen_folder}+{out}")
    schema.EvaluateOut.model_validate(found)
    assert {score["name"] for score in found["scores"]} >= {"chrf"} and found["comparison"]
    shown = run("evaluate", str(qwen_folder), *flags)
    assert shown.exit_code == 0 and "chrf" in shown.stdout


def test_a_row_to_evaluate_that_is_bad_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"translation": {"zh": "好", "en": "good"}}\n{"question": "x"}\n')
    done = run("evaluate", "mock:echo", "--task", "translate", "--data", str(path), "--quiet")
    assert done.exit_code == 2 and f"{path}:2" in done.stderr
    misnamed = run("evaluate", "mock:echo", "--task", "translat", "--data", str(path))
    assert misnamed.exit_code == 2 and "did you mean translate" in misnamed.stderr
