"""The pure parts of the scripts around `mini`: baselines, the card, the checks before shipping, the recipes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import baselines
import card
import measure
import parts
import phases
import pytest
import ship
import tables
import yaml
from huggingface_hub import ModelCard

from sibao.core.types import Score
from sibao.evaluation import harness
from sibao.metrics.perplexity import Likelihood
from sibao.models.base import Keys
from sibao.models.folder import family_of, save_model
from sibao.nn.decoder import Decoder
from sibao.tasks.base import load_task
from sibao.text.tokenizer import Tokenizer, train_bpe
from sibao.training.recipe import read_recipe

RECIPES = Path(card.__file__).parent
TEXT = "第一句话。第二句话！第三句话？第四句。"


def test_lead_takes_whole_sentences() -> None:
    assert baselines.lead(TEXT, 1) == "第一句话。"
    assert baselines.lead(TEXT, 3) == "第一句话。第二句话！第三句话？"
    assert baselines.lead("One. Two.", 3) == "One. Two."


def test_the_best_sentence_shares_the_question_s_words() -> None:
    context = "Paper was invented in China. Cai Lun improved it. It reached Europe late."
    assert baselines.best_sentence(context, "Who improved it?") == "Cai Lun improved it."
    assert baselines.best_sentence(context, "zzz") == "Paper was invented in China."  # nothing in common: the first


@pytest.mark.parametrize(("name", "step"), [("runs/r1", None), ("runs/r1@300", 300)])
def test_a_run_may_name_a_step(name: str, step: int | None) -> None:
    assert baselines.run_at(name) == (Path("runs/r1"), step)


def test_copying_scores_what_the_source_shares_with_the_reference() -> None:
    task = load_task("translate")
    rows = [{"translation": {"en": f"I like {word}.", "zh": f"我喜欢{word}。"}} for word in ("Python", "tea", "Linux")]
    items = harness.items(task, enumerate(rows), to="zh")
    given = baselines.answers(items, lambda inputs: f"我喜欢{inputs.text[7:-1]}。")
    copied = baselines.answers(items, lambda inputs: inputs.text)
    lines = parts.scored(task, "all", "zh", given, {"copy": copied}, ("chrf",))
    assert lines[0]["score"]["value"] == pytest.approx(100)
    assert 0 < lines[0]["baselines"]["copy"]["score"]["value"] < 100
    assert lines[0]["baselines"]["copy"]["comparison"]["difference"] > 0


def test_fewer_bits_are_better() -> None:
    short, long = ([Likelihood(-bits * n, n, n, n, n) for n in range(20, 40)] for bits in (0.5, 0.9))
    found = parts.paired_bits(short, long)
    assert found.verdict == "better"
    assert found.difference == pytest.approx((0.5 - 0.9) / 0.6931471805599453)


def test_a_part_that_fails_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    found = measure.guarded(lambda: parts.read(Path("nowhere.jsonl")) and {})
    assert "FileNotFoundError" in found["missing"] and "nowhere.jsonl" in found["missing"]
    assert "nowhere.jsonl" in capsys.readouterr().err


def test_drawn_rows_are_the_same_each_time() -> None:
    rows = [{"n": n} for n in range(50)]
    assert parts.draw(rows, 5) == parts.draw(rows, 5) != rows[:5]
    assert sorted(r["n"] for r in parts.draw(rows, 99)) == list(range(50))


def a_score(name: str, value: float, n: int = 40) -> dict[str, Any]:
    return Score(name, value, value - 0.1, value + 0.1, n=n).to_json()


def a_line(data: str, metric: str, value: float, rival: str, its: float, verdict: str) -> dict[str, Any]:
    test = {"difference": value - its, "low": 0.0, "high": 1.0, "level": 0.95, "p_value": 0.0001, "verdict": verdict}
    baseline = {rival: {"score": a_score(metric, its), "comparison": test}}
    return {"data": data, "language": "zh", "higher_is_better": True, "score": a_score(metric, value),
            "baselines": baseline}  # fmt: skip


SHAPE = {
    "vocab_size": 8192, "hidden_size": 256, "num_hidden_layers": 8, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 64, "intermediate_size": 704, "max_position_embeddings": 768,
}  # fmt: skip
MEASURED: dict[str, Any] = {
    "model": "mini", "limit": 40,
    "machine": {"cpu": "a processor", "cores": 2, "python": "3.11.7"},
    "energy_meter": {"kind": "estimated", "source": "cpu time x 10 W per core + 5 W"},
    "facts": {"family": "qwen3", "parameters": 8_000_768, "embedding_parameters": 2_097_152, "shape": SHAPE,
              "dtype": "bfloat16", "weight_bytes": 16_000_000, "folder_bytes": 16_600_000},
    "parts": {
        "translate": {"lines": [a_line("all", "chrf", 21.5, "copy", 3.25, "better")],
                      "samples": {"zh": [{"input": "Tea.", "output": "茶。", "reference": "茶。"}]}},
        "summarize": {"lines": [a_line("csl_title", "rouge1", 0.2, "lead-1", 0.35, "worse")]},
        "answer": {"missing": "FileNotFoundError: sft/answer.test.jsonl"},
    },
}  # fmt: skip
MANIFEST = {
    "made_with": {"megabytes": 70},
    "sources": {"pretrain": {"zh_poetry": {"documents": 10, "bytes": 9_000_000, "licence": "MIT; some/repository"}}},
    "fine_tuning": {"sft/translate.train.jsonl": {"3am": 500}, "sft/translate.test.jsonl": {"3am": 99}},
}
TUNING = {
    "model": {"base": "build/mini/stable"}, "run": {"device": "cpu"},
    "data": {"train": [{"path": "build/mini/sft/translate.train.jsonl", "task": "translate", "rows": 300}]},
}  # fmt: skip
PHASES = [
    phases.Phase("r1", {"model": {}, "run": {"device": "cpu"}}, 900, 7_400_000, 5400.0, 90_000.0, "estimated"),
    phases.Phase("r2", TUNING, 500, 4_600_000, 3600.0, 54_000.0, "estimated"),
]


def test_the_card_s_head_is_what_the_hub_reads() -> None:
    text = card.render(MEASURED, MANIFEST, PHASES)
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["language"] == ["zh", "en"] and head["license"] == "apache-2.0"
    results = ModelCard(text).data.eval_results
    assert results is not None
    assert {(r.task_type, r.metric_type, r.metric_value) for r in results} == {
        ("translation", "chrf", 21.5), ("summarization", "rouge1", 0.2),
    }  # fmt: skip


def test_the_card_says_what_was_measured_and_what_was_not() -> None:
    text = card.render(MEASURED, MANIFEST, PHASES)
    assert "Not measured: FileNotFoundError: sft/answer.test.jsonl." in text
    assert "21.5 (21.4 to 21.6) | 40 | 3.250: better, p < 0.001" in text
    assert "csl_title, zh: ROUGE-1 0.200 against 0.350 of lead-1" in text.split("Worse than:")[1]
    assert "| translate | 500 | 300 | 3am 500 |" in text
    assert "40.0 Wh (0.14 MJ) in all, **estimated**" in text
    assert "trained on 2 CPU cores" in text and "中文摘要" in text and "英译中 chrF 21.5（照抄原文 3.250）" in text
    assert "$" not in text


def test_the_card_of_the_other_size() -> None:
    on_gpu = copy.deepcopy(PHASES)
    on_gpu[0].recipe["run"]["device"] = on_gpu[1].recipe["run"]["device"] = "cuda"
    text = card.render(MEASURED, MANIFEST, on_gpu)
    assert "`gpu` size of the recipe" in text and "pretrain.gpu.toml" in text and "CPU cores" not in text


def test_nothing_is_claimed_where_nothing_was_measured() -> None:
    text = card.render({**MEASURED, "parts": {}}, MANIFEST, PHASES)
    assert text.count("Not measured: not run.") == 5 and "model-index" not in text


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (float("nan"), "–"), (1.23456, "1.235"), (55.55, "55.5"),
                                              (4321.0, "4,321")])  # fmt: skip
def test_numbers(value: float | None, shown: str) -> None:
    assert tables.number(value) == shown


def test_a_run_s_log_is_read_up_to_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBAO_HOME", str(tmp_path / "home"))
    (tmp_path / "recipe.json").write_text(json.dumps({"model": {"base": None}, "run": {"device": "cpu"}}))
    steps = [{"step": n, "tokens": 100 * n, "joules": 5.0 * n, "tokens_per_second": 50.0} for n in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, [*steps, {"step": 2, "valid_loss": 5.0}])))
    found = phases.read(f"{tmp_path}@2")
    assert (found.steps, found.tokens, found.seconds, found.joules) == (2, 200, 4.0, 10.0)
    assert found.name == "pretraining" and found.energy == ""
    with pytest.raises(SystemExit, match="goes up to step 3, not 9"):
        phases.read(f"{tmp_path}@9")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tokenizer]:
    """A small random model with a tokenizer of the recipe's kind."""
    folder = tmp_path_factory.mktemp("trained")
    tokenizer = train_bpe(["我喜欢读书。 The old man looked at the sea."] * 4, 300, progress=False)
    values = {**SHAPE, "vocab_size": tokenizer.vocab_size, "hidden_size": 32, "num_hidden_layers": 2, "head_dim": 8,
              "intermediate_size": 64, "tie_word_embeddings": True}  # fmt: skip
    keys = {"model_type": "qwen3", "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}, **values}
    model = Decoder(family_of("qwen3").read(Keys(keys)))
    model.initialize(0)
    save_model(model, folder, "qwen3")
    tokenizer.save(folder)
    return folder, tokenizer


def test_what_is_shipped_is_checked(trained: tuple[Path, Tokenizer], tmp_path: Path) -> None:
    source, tokenizer = trained
    ship.write(source, tokenizer, tmp_path)
    assert ship.problems(tmp_path, 768) == []
    assert ship.problems(tmp_path, 512) == [
        "config.json says a context of 768, wanted 512 (model.context of the recipe)"
    ]
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "bos_token": None}))
    assert ship.problems(tmp_path, 768) == [
        "the tokenizer has no bos_token; give the folder of the newest one with --tokenizer"
    ]


def test_shipping_keeps_the_card(tmp_path: Path) -> None:
    for name in ("new", "mini"):
        (tmp_path / name).mkdir()
    (tmp_path / "mini" / "README.md").write_text("card")
    (tmp_path / "mini" / "stale.safetensors").write_text("old")
    (tmp_path / "new" / "config.json").write_text("{}")
    ship.replace(tmp_path / "new", tmp_path / "mini")
    assert sorted(p.name for p in (tmp_path / "mini").iterdir()) == ["README.md", "config.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["mini"]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_the_recipes_can_be_read(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.run.device == ("cuda" if "gpu" in path.name else "cpu")
    assert recipe.run.rows % recipe.run.micro_rows == 0


def test_the_large_size_fits_the_package() -> None:
    recipe = read_recipe(RECIPES / "pretrain.gpu.toml")
    config = family_of("qwen3").read(Keys({"vocab_size": 15104, **recipe.model.config}))
    weights = sum(p.numel() for p in Decoder(config).parameters())
    assert 18e6 < weights < 20e6
    assert 15104 * config.hidden_size * 2 < ship.SHARD_BYTES
    assert 2 * weights + 1.5e6 < ship.TOTAL_BYTES  # the tokenizer's file takes about a megabyte
