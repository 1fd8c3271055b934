"""Chinese or English by script."""

import pytest

from sibao.text.language import detect, other


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("我喜欢读书。", "zh"),
        ("I like reading.", "en"),
        ("用 numpy 计算 mean 和 variance", "zh"),
        ("He said 你好 and left the room.", "en"),
        ("春", "zh"),
        ("《》？", "zh"),
        ("1 + 1 = 2", "en"),
        ("", "en"),
        ("X:1\nT:The Fox\nM:4/4\nK:G", "en"),
    ],
)
def test_detect(text: str, language: str) -> None:
    assert detect(text) == language


def test_other() -> None:
    assert (other("zh"), other("en")) == ("en", "zh")
