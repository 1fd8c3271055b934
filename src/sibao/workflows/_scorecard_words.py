"""The words of a scorecard in both languages, and how its figures are written."""

from __future__ import annotations

from sibao.core.types import Language
from sibao.evaluation.scorecard import Cell

WORDS: dict[str, dict[Language, str]] = {
    "scorecard": {"en": "Scorecard", "zh": "评分卡"},
    "figure": {"en": "figure", "zh": "指标"},
    "value": {"en": "value", "zh": "数值"},
    "interval": {"en": "95 % interval", "zh": "95% 区间"},
    "rows": {"en": "rows", "zh": "行数"},
    "chance": {"en": "chance", "zh": "随机水平"},
    "source": {"en": "source", "zh": "来源"},
    "at chance": {"en": "as good as guessing", "zh": "与随机猜测无异"},
    "ideal": {"en": "ideal", "zh": "理想值"},
    "missing": {"en": "missing", "zh": "缺失"},
    "lower": {"en": "lower is better", "zh": "越低越好"},
    "higher": {"en": "higher is better", "zh": "越高越好"},
    "estimated": {"en": "estimated", "zh": "估算"},
    "made": {"en": "Made with `sibao scorecard`", "zh": "由 `sibao scorecard` 生成"},
    "machine": {"en": "machine", "zh": "机器"},
    "precision": {"en": "precision", "zh": "精度"},
    "how": {"en": "how it was made", "zh": "测法"},
    "quality": {"en": "quality, with what guessing gives (↓: lower is better)", "zh": "质量与随机水平（↓：越低越好）"},
    "fair": {"en": "bias: the dotted line is where it should be", "zh": "偏见：虚线为理想值"},
    "legend": {
        "en": "Bars are 95 % intervals. A figure whose interval holds what guessing gives says nothing good of the model. "
        "A bias score means little for a model that is at chance elsewhere: what knows nothing has no prejudice.",
        "zh": "横条为 95% 置信区间。区间包含随机水平的数值不能说明模型有能力。"
        "若模型在其他任务上只有随机水平，偏见分数的意义不大：一无所知者也无所谓偏见。",
    },
}


CHINESE = {
    "architecture": "架构", "parameters": "参数量", "active parameters": "激活参数量", "size of the weight files": "权重文件大小",
    "context": "上下文", "licence": "许可证", "languages": "语言", "prefill": "读入速度", "decode": "生成速度",
    "time to first token": "首词元延迟", "peak memory": "内存峰值", "energy, measured": "能耗（实测）",
    "energy, estimated": "能耗（估算）", "price": "价格", "price, read": "价格（读入）", "price, written": "价格（生成）",
}  # fmt: skip
"""Names of figures that are no suite's. Suites and their values keep their names in every language."""
SOURCES = {
    "the model's folder": "模型文件夹", "runs on this machine": "在本机运行", "given by the user": "用户给定",
    "the whole process: Python, PyTorch, weights, cache": "整个进程：Python、PyTorch、权重、缓存",
}  # fmt: skip


def called(cell: Cell, language: Language) -> str:
    """A figure's name."""
    return CHINESE.get(cell.name, cell.name) if language == "zh" else cell.name


def source_of(cell: Cell, language: Language) -> str:
    """Where a figure comes from, and when."""
    source = SOURCES.get(cell.source, cell.source) if language == "zh" else cell.source
    return f"{source}, {cell.date}" if cell.date else source


def word(name: str, language: Language) -> str:
    """A word of the card."""
    return WORDS[name][language]


def number(value: float | str | None) -> str:
    """Three significant digits, more for what is large; words as they are; a dash for what is not known."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if value and (abs(value) >= 1e6 or abs(value) < 1e-3):
        return f"{value:.3g}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def shown_value(cell: Cell) -> str:
    """The value with its unit."""
    return f"{number(cell.value)} {cell.unit}".strip()


def shown_interval(cell: Cell) -> str:
    """Both ends; a dash where there are none."""
    return "–" if cell.low is None or cell.high is None else f"{number(cell.low)} … {number(cell.high)}"


def remarks(cell: Cell, language: Language) -> list[str]:
    """What a reader should know beside the figure."""
    found = []
    if cell.at_chance:
        found.append(word("at chance", language))
    if cell.ideal is not None:
        found.append(f"{word('ideal', language)} {number(cell.ideal)}")
    elif cell.better == "lower":
        found.append(word("lower", language))
    if cell.missing:
        found.append(f"{cell.missing} {word('missing', language)}")
    if cell.note.get(language):
        found.append(cell.note[language])
    return found
