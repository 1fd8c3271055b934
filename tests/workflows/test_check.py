"""``check`` passes healthy models and finds each known fault, by name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.workflows.check_folders import (
    adds,
    copy,
    decoder_families,
    edit,
    edit_weights,
    failed,
    got,
    healthy_folder,
    quick,
    status,
)

from sibao.core.errors import BadInput, DataError, UnknownName
from sibao.models.names import MINI
from sibao.text.tokenizer import CHATML, TURN_END, Tokenizer
from sibao.workflows._check_show import colored, pieces
from sibao.workflows._check_types import Sample


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy Llama with untied weights; read only."""
    return healthy_folder(tmp_path_factory.mktemp("check") / "llama", "llama", tie_word_embeddings=False)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy Qwen3 with tied weights; read only."""
    return healthy_folder(tmp_path_factory.mktemp("check") / "qwen3", "qwen3", tie_word_embeddings=True)


@pytest.fixture
def broken(llama: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return copy(llama, tmp_path / "broken")


@pytest.mark.parametrize("family", decoder_families())
def test_a_healthy_folder_of_every_decoder_family_passes(family: str, tmp_path: Path) -> None:
    report = quick(healthy_folder(tmp_path / family, family))
    assert failed(report) == set()
    assert report.ok and report.kind == "decoder"
    assert {b.name for b in report.backends} == {"sibao, uncached", "sibao, cached", "transformers"}
    assert all(b.max_difference is None or b.max_difference <= (b.tolerance or 0) for b in report.backends)
    assert len({tuple(b.token_ids) for b in report.backends}) == 1


@pytest.mark.skipif(not (MINI / "config.json").is_file(), reason="this checkout has no trained mini")
def test_mini_passes() -> None:
    report = quick("mini")
    assert report.ok and {f.status for f in report.findings} == {"ok"}, report.findings


@pytest.mark.skipif(not (MINI / "config.json").is_file(), reason="this checkout has no trained mini")
def test_a_trained_model_with_another_rotary_base_is_noticed_without_a_reference(tmp_path: Path) -> None:
    folder = copy(MINI, tmp_path / "mini")
    edit(folder / "config.json", rope_theta=1e7, rope_parameters={"rope_theta": 1e7, "rope_type": "default"})
    report = quick(folder)
    assert status(report, "rope_evidence") == "warn"
    assert "10000 would give" in got(report, "rope_evidence")


def test_doubled_bos(broken: Path) -> None:
    edit(broken / "tokenizer.json", post_processor=adds("<|endoftext|>", 0))
    edit(broken / "tokenizer_config.json", chat_template="{{ bos_token }}" + CHATML)
    report = quick(broken)
    assert failed(report) == {"bos"}
    assert "doubled" in got(report, "bos") and "0 <|endoftext|>, 0 <|endoftext|>" in got(report, "bos")
    accepted = quick(broken, accept=("bos",))
    assert accepted.ok and status(accepted, "bos") == "warn"


def test_bos_twice_in_the_template_itself(broken: Path) -> None:
    edit(broken / "tokenizer_config.json", chat_template="{{ bos_token }}{{ bos_token }}" + CHATML)
    assert "doubled: a prompt begins" in got(quick(broken), "bos")


def test_missing_bos(broken: Path) -> None:
    edit(broken / "tokenizer.json", post_processor=adds("<|endoftext|>", 0))
    report = quick(broken)
    assert failed(report) == {"bos"} and "missing" in got(report, "bos")


def test_one_bos_is_fine(broken: Path) -> None:
    edit(broken / "tokenizer_config.json", chat_template="{{ bos_token }}" + CHATML)
    report = quick(broken)
    assert report.ok and "0 <|endoftext|>" in got(report, "bos")


def test_an_end_token_that_closes_every_prompt(broken: Path) -> None:
    edit(broken / "tokenizer.json", post_processor=adds(TURN_END, 2, at_end=True))
    assert "closes every text" in got(quick(broken), "bos")


def test_pad_that_is_the_end_of_a_turn(broken: Path) -> None:
    edit(broken / "tokenizer_config.json", pad_token=TURN_END)
    edit(broken / "config.json", pad_token_id=2)
    edit(broken / "generation_config.json", pad_token_id=2)
    report = quick(broken)
    assert failed(report) == {"pad"} and "never teach the model to stop" in got(report, "pad")


def test_what_it_says_of_pad_is_what_the_usual_collator_does(broken: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(broken)
    learned = {}
    for pad in ("<|endoftext|>", TURN_END):
        tokenizer.pad_token = pad
        collate = transformers.DataCollatorForLanguageModeling(tokenizer, mlm=False)
        learned[pad] = 2 in collate([{"input_ids": [5, 6, 2]}])["labels"][0].tolist()
    assert learned == {"<|endoftext|>": True, TURN_END: False}


def test_two_templates_that_differ(broken: Path) -> None:
    (broken / "chat_template.jinja").write_text(CHATML.replace("assistant", "Assistant"), encoding="utf-8")
    report = quick(broken)
    assert "template" in failed(report)
    assert "tokenizer_config.json and chat_template.jinja hold different templates" in got(report, "template")


def test_training_that_renders_otherwise_than_inference(broken: Path) -> None:
    wrong = CHATML.replace("{{ '<|im_start|>assistant\\n' }}", "{{ '<|im_start|>bot: ' }}")
    assert wrong != CHATML
    edit(broken / "tokenizer_config.json", chat_template=wrong)
    report = quick(broken)
    assert {"template", "loss_mask"} <= failed(report)
    assert "training and inference render differently" in got(report, "template")


def test_untied_weights_that_are_missing(broken: Path) -> None:
    edit_weights(broken, lambda tensors: tensors.pop("lm_head.weight"))
    report = quick(broken)
    assert {"tied_weights", "weights"} <= failed(report)
    assert "untied, but the file has no lm_head.weight" in got(report, "tied_weights")
    assert any("logits" in line for line in report.not_checked)


def test_tied_weights_that_are_two(qwen: Path, tmp_path: Path) -> None:
    folder = copy(qwen, tmp_path / "broken")

    def add_head(tensors: dict[str, Any]) -> None:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1

    edit_weights(folder, add_head)
    report = quick(folder)
    assert "tied_weights" in failed(report) and "holds different values" in got(report, "tied_weights")


def test_a_number_that_is_none(broken: Path) -> None:
    edit_weights(broken, lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))
    report = quick(broken)
    assert "weights" in failed(report) and "NaN" in got(report, "weights")


def test_a_dtype_that_is_not_the_weights(broken: Path) -> None:
    edit(broken / "config.json", dtype="float16")
    report = quick(broken)
    assert status(report, "weights") == "warn" and "float32" in got(report, "weights")


def test_rotary_bases_that_contradict_each_other(broken: Path) -> None:
    edit(broken / "config.json", rope_theta=500000.0)
    report = quick(broken)
    assert "rope_base" in failed(report)
    assert "rope_theta = 500000, rope_parameters.rope_theta = 10000" in got(report, "rope_base")


def test_another_rotary_base_than_the_original(llama: Path, broken: Path) -> None:
    edit(broken / "config.json", rope_theta=500.0, rope_parameters={"rope_theta": 500.0, "rope_type": "default"})
    alone = quick(broken)
    assert alone.ok, "both back ends read the same config: only a comparison can tell"
    report = quick(broken, against=str(llama))
    assert failed(report) == {"against", "against_config"}
    assert "rope_theta is 500.0 here, 10000.0 there" in got(report, "against_config")
    assert quick(llama, against=str(llama)).ok


def test_a_tokenizer_larger_than_the_embedding(broken: Path) -> None:
    def add(data: dict[str, Any]) -> None:
        data["added_tokens"].append(
            {"id": 400, "content": "<|new|>", "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
        )  # fmt: skip

    edit(broken / "tokenizer.json", add)
    report = quick(broken)
    assert failed(report) == {"vocabulary", "weights"}  # and the model is not loaded at all
    assert "<|new|>" in got(report, "vocabulary") and "400" in got(report, "weights")


def test_the_end_of_a_turn_that_stops_nothing(broken: Path) -> None:
    edit(broken / "tokenizer_config.json", eos_token="<|endoftext|>", pad_token=None)
    edit(broken / "config.json", eos_token_id=0)
    edit(broken / "generation_config.json", eos_token_id=0)
    report = quick(broken)
    assert "stop_ids" in failed(report)
    assert "the template ends a turn with 2 <|im_end|>" in next(
        f.wanted for f in report.findings if f.name == "stop_ids"
    )


def test_a_generation_config_that_contradicts(broken: Path) -> None:
    edit(broken / "generation_config.json", eos_token_id=[7])
    report = quick(broken)
    assert {"generation_config", "stop_ids"} <= failed(report)
    assert "generation_config.json ends at 7" in got(report, "generation_config")


def test_ids_that_the_model_does_not_have(broken: Path) -> None:
    edit(broken / "config.json", bos_token_id=4000)
    report = quick(broken)
    assert {"ids", "token_ids"} == failed(report)


def test_a_special_token_that_is_not_there(broken: Path) -> None:
    edit(broken / "tokenizer_config.json", pad_token="<|pad|>")
    report = quick(broken)
    assert "special_tokens" in failed(report) and "'<|pad|>' is not in the vocabulary" in got(report, "special_tokens")


def test_a_tokenizer_that_loses_text(broken: Path) -> None:
    edit(broken / "tokenizer.json", normalizer={"type": "Lowercase"})
    report = quick(broken)
    assert "round_trip" in failed(report) and "'" in got(report, "round_trip")


def test_one_fault_never_hides_another(broken: Path) -> None:
    (broken / "config.json").write_text("{", encoding="utf-8")
    edit(broken / "tokenizer_config.json", pad_token="<|pad|>")
    report = quick(broken)
    assert {"config", "special_tokens"} <= failed(report) and not report.ok


def test_rows_of_data_go_through_their_tasks(llama: Path, tmp_path: Path) -> None:
    rows = [
        {"translation": {"zh": "我喜欢读书。", "en": "I like reading."}},
        {"prompt": "颜色?", "completion": "红"},
        {"text": "春眠不觉晓"},
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    report = quick(llama, data=(str(data),))
    assert report.ok
    sources = [s.source.rpartition("/")[2] for s in report.samples]
    assert sources[0] == "built-in" and {"rows.jsonl:1", "rows.jsonl:2", "rows.jsonl:3"} <= set(sources)
    shown = report.to_json()["samples"][sources.index("rows.jsonl:2")]["tokens"]
    learned = [t["token"] for t in shown if t["loss"]]
    assert learned[-1] == TURN_END and 0 < len(learned) < len(shown)


def test_an_answer_whose_first_token_joins_the_prompt(broken: Path, tmp_path: Path) -> None:
    """A prompt that ends with a space: " the" is one token where both are encoded as one text."""
    template = CHATML.replace("message['role'] + '\\n'", "message['role'] + ': '").replace(
        "assistant\\n", "assistant: "
    )
    edit(broken / "tokenizer_config.json", chat_template=template)
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({"prompt": "诗", "completion": "the lazy dog"}) + "\n", encoding="utf-8")
    report = quick(broken, data=(str(data),))
    assert report.ok and status(report, "answer_boundary") == "warn"


def test_plain_models_are_checked_without_messages(broken: Path) -> None:
    edit(broken / "tokenizer_config.json", lambda data: data.pop("chat_template"))
    report = quick(broken)
    assert report.ok and "2 prompts begin" in got(report, "answer_boundary")


def test_adapters_are_part_of_the_model(llama: Path, tmp_path: Path) -> None:
    from sibao.models.adapter import save_adapter
    from sibao.models.folder import load_model
    from sibao.nn.lora import adapted, add_lora

    model = load_model(llama)
    torch.manual_seed(0)
    add_lora(model, ["q_proj", "v_proj"], 2, 4.0, 0.0)
    with torch.no_grad():
        for layer in adapted(model).values():
            layer.lora_B.normal_()
    save_adapter(model, tmp_path / "adapter", "llama", str(llama))
    report = quick(f"{llama}+{tmp_path / 'adapter'}", against=str(llama))
    assert failed(report) == {"against"}, "Transformers agrees, the bare base model does not"
    (tmp_path / "adapter" / "chat_template.jinja").write_text("another", encoding="utf-8")
    report = quick(f"{llama}+{tmp_path / 'adapter'}")
    assert "the adapter's chat_template.jinja" in got(report, "template")


def test_the_users_own_mistakes_are_no_findings(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no files to look at"):
        quick("mock:echo")
    with pytest.raises(BadInput, match="wanted the URL of a server"):
        quick(llama, url="ftp://nowhere")
    with pytest.raises(UnknownName, match="no finding named 'boss'"):
        quick(llama, accept=("boss",))
    with pytest.raises(BadInput, match="no model named"):
        quick(llama, against="not there")
    data = tmp_path / "rows.jsonl"
    data.write_text('{"nothing": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.jsonl:1"):
        quick(llama, data=(str(data),))


def test_a_template_that_rewrites_earlier_turns_is_followed_turn_by_turn(broken: Path) -> None:
    """Qwen3's kind: an empty thought before the last answer only."""
    content = "message['content']"
    thoughtful = CHATML.replace(
        content, f"('<think></think>' if loop.last and message['role'] == 'assistant' else '') + {content}"
    )
    assert thoughtful != CHATML
    edit(broken / "tokenizer_config.json", chat_template=thoughtful)
    report = quick(broken)
    assert "each answer is an example of its own" in got(report, "template")
    assert len([s for s in report.samples if s.source == "built-in"]) == 2
    assert report.ok and "the template puts '<think></think>' before an answer" in got(report, "loss_mask")


def test_messages_of_several_turns_are_followed(llama: Path, tmp_path: Path) -> None:
    turns = [
        {"role": r, "content": c}
        for r, c in (("user", "你好"), ("assistant", "好"), ("user", "1+1"), ("assistant", "2"))
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({"messages": turns}, ensure_ascii=False) + "\n", encoding="utf-8")
    report = quick(llama, data=(str(data),))
    assert report.ok and len(report.samples[-1].prompts) == 2


def test_an_answer_that_the_template_changes(broken: Path) -> None:
    edit(
        broken / "tokenizer_config.json",
        chat_template=CHATML.replace("message['content']", "message['content'] | upper"),
    )
    report = quick(broken)
    assert failed(report) == {"loss_mask"} and "changes the text of an answer" in got(report, "loss_mask")


def test_weights_of_another_family_than_config_names(broken: Path) -> None:
    edit(broken / "config.json", model_type="bloom")
    report = quick(broken)
    assert report.kind == "decoder" and any("no family 'bloom'" in line for line in report.not_checked)
    assert status(report, "stop_ids") == "ok" and failed(report) == {"weights"}


def test_files_of_another_form_are_findings(broken: Path) -> None:
    edit(broken / "tokenizer_config.json", added_tokens_decoder={"1": 7}, chat_template=7)
    report = quick(broken)
    assert not report.ok


def test_colours_show_loss_and_characters_stay_whole(llama: Path) -> None:
    from rich.console import Console

    tokenizer = Tokenizer.load(llama)
    ids = tokenizer.encode("好") + tokenizer.encode("龘👍", specials=True)
    sample = Sample("here", ids, [0] * len(tokenizer.encode("好")) + [1] * (len(ids) - len(tokenizer.encode("好"))))
    assert [text for text, _ in pieces(tokenizer, sample)][1] == "龘", "three bytes, one character"
    console = Console(force_terminal=True, color_system="standard", width=80)
    with console.capture() as shown:
        console.print(colored(tokenizer, sample), end="")
    assert shown.get() == "\x1b[2m好\x1b[0m⟦\x1b[1;32m龘\x1b[0m\x1b[2m│\x1b[0m\x1b[1;32m👍\x1b[0m⟧"


def test_the_page_explains_every_finding() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "check.md").read_text(encoding="utf-8")
    names = set()
    for path in (root / "src" / "sibao" / "workflows").glob("*check*.py"):
        names |= set(
            re.findall(
                r'(?:Finding|finding|guarded|verdict|_agreement|_compared)\(\s*"(\w+)"',
                path.read_text(encoding="utf-8"),
            )
        )
    assert len(names) > 20
    assert {name for name in names if f"`{name}`" not in page} == set()
