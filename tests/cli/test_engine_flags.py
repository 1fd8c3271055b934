"""How the engine works, on the command line: precision of keys and values, and who guesses ahead."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.cli.conftest import Run

ASK = ("generate", "床前明月光，", "--max-tokens", "24")


def test_a_draft_model_changes_no_answer_and_is_reported(run: Run, qwen_folder: Path, gpt2_folder: Path) -> None:
    plain = run(*ASK, "--model", str(qwen_folder), "--no-speculation")
    assert plain.exit_code == 0 and "guessed" not in plain.stderr
    for draft in (qwen_folder, gpt2_folder):
        done = run(*ASK, "--model", str(qwen_folder), "--draft-model", str(draft))
        assert (done.exit_code, done.stdout) == (0, plain.stdout)
        found = re.search(r"note: \S+ guessed (\d+) tokens ahead, (\d+) of them right \(\d+%\)", done.stderr)
        assert found and int(found[1]) >= int(found[2])
        assert int(found[2]) > 0 or draft == gpt2_folder


def test_guesses_are_reported_beside_json_and_in_a_chat(run: Run, qwen_folder: Path) -> None:
    flags = ("--model", str(qwen_folder), "--draft-model", str(qwen_folder), "--max-tokens", "8", "--json")
    for command in (("generate", "a", "b"), ("chat", "--message", "春天")):
        done = run(*command, *flags)
        assert done.exit_code == 0 and done.stdout.count("\n") == 1
        assert re.search(r"guessed \d+ tokens ahead, \d+ of them right", done.stderr)


def test_keys_and_values_have_their_own_precision(run: Run, qwen_folder: Path) -> None:
    texts = {
        kind: run(*ASK, "--model", str(qwen_folder), "--kv-cache-dtype", kind).stdout
        for kind in ("fp32", "auto", "int8")
    }
    assert texts["fp32"] == texts["auto"] and texts["int8"]


def test_what_does_not_go_together(run: Run, qwen_folder: Path) -> None:
    done = run(*ASK, "--model", "mock:echo", "--kv-cache-dtype", "int8")
    assert done.exit_code == 2 and "does not run in this process" in done.stderr
    done = run(*ASK, "--model", str(qwen_folder), "--draft-model", str(qwen_folder), "--no-speculation")
    assert done.exit_code == 2 and "speculate is False" in done.stderr
    done = run(*ASK, "--model", str(qwen_folder), "--draft-model", "mock:echo")
    assert done.exit_code == 2 and "mock:echo is none" in done.stderr
    assert run(*ASK, "--model", str(qwen_folder), "--kv-cache-dtype", "fp8").exit_code == 2


def test_the_best_texts_of_a_search(run: Run, qwen_folder: Path) -> None:
    flags = ("--model", "mini", "--raw", "--beams", "4", "--n-best", "3")
    told = json.loads(run(*ASK, *flags, "--json").stdout)
    texts = [told["text"], *(other["text"] for other in told["others"])]
    assert len(set(texts)) == 3
    scores = [told["search_score"], *(other["search_score"] for other in told["others"])]
    assert scores == sorted(scores, reverse=True)
    assert run(*ASK, *flags).stdout == "".join(text + "\n" for text in texts)
    done = run(*ASK, "--model", str(qwen_folder), "--n-best", "3")
    assert done.exit_code == 2 and "num_return_sequences is 3, wanted 1 to num_beams, which is 1" in done.stderr
    many = run("translate", "春天来了。" * 40, "--model", "mini", "--beams", "2", "--n-best", "2", "--json")
    assert many.exit_code == 0, many.stderr
    told = json.loads(many.stdout)
    assert told["pieces"] > 1 and "others" not in told and any("only the best text" in one for one in told["notes"])
