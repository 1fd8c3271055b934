"""``sibao describe``: pictures in, text or JSON out."""

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.vision import PICTURES, vision_folder

from sibao.cli.schema import DescribeOut, SeveralOut

PANDA, APPLE = str(PICTURES / "panda.png"), str(PICTURES / "apple.png")
ECHO = ("--model", "mock:echo")


def test_what_is_asked(run: Run, run_json: Run) -> None:
    assert run("describe", PANDA, *ECHO).stdout == "[image]\nDescribe this picture.\n"
    assert run("describe", PANDA, "--to", "zh", *ECHO).stdout == "[image]\n描述这张图片。\n"
    found = run_json("describe", PANDA, "--question", "这是什么？", *ECHO)
    DescribeOut.model_validate(found)
    assert found["to"] == "zh" and found["question"] == "这是什么？" and found["text"].endswith("问题：这是什么？")
    assert run("describe", "--video", "walk.mp4", *ECHO).stdout.startswith("[video]\nThese are frames of a film")


def test_several_one_by_one_or_together(run_json: Run) -> None:
    found = run_json("describe", PANDA, APPLE, *ECHO)
    SeveralOut.model_validate(found)
    assert [r["text"] for r in found["results"]] == ["[image]\nDescribe this picture."] * 2
    assert (
        run_json("describe", PANDA, APPLE, "--together", *ECHO)["text"] == "[image]\n[image]\nDescribe these pictures."
    )


def test_rows_of_a_data_file(run_json: Run, tmp_path: Path) -> None:
    rows = [{"image": "a.png", "question": "图里是什么？", "answer": "熊猫"}, {"image": "a.png", "text": "一只熊猫。"}]
    (tmp_path / "a.png").write_bytes(Path(PANDA).read_bytes())
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    found = run_json("describe", "--file", str(tmp_path / "rows.jsonl"), *ECHO)["results"]
    assert [r["question"] for r in found] == ["图里是什么？", ""] and [r["to"] for r in found] == ["zh", "zh"]
    scored = run_json("evaluate", "mock:echo", "--task", "describe", "--data", str(tmp_path / "rows.jsonl"), "--quiet")
    assert {s["name"]: s["n"] for s in scored["scores"]} == {"chrf": 2, "accuracy": 2}


def test_a_model_that_sees_and_one_that_reads_only(run: Run, run_json: Run, tmp_path: Path, qwen_folder: Path) -> None:
    folder = vision_folder(tmp_path / "llava", "llava")
    asked = ("--model", str(folder), "--max-tokens", "4", "--to", "zh")
    found = run_json("describe", PANDA, *asked)
    assert found["usage"]["completion_tokens"] > 0 and found["usage"]["prompt_tokens"] > 20
    done = run("describe", "nowhere.png", *asked)
    assert done.exit_code == 2 and "nowhere.png: no such file" in done.stderr
    done = run("describe", PANDA, "--model", str(qwen_folder))
    assert done.exit_code == 2 and "cannot see" in done.stderr
    assert run("describe", *ECHO).exit_code == 2
