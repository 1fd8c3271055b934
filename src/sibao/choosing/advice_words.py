"""The words of ``advice``, in Chinese and English."""

from __future__ import annotations

from sibao.core.types import Language

QUESTIONS: dict[Language, dict[str, str]] = {
    "en": {
        "use": "What is the best use?",
        "choose": "How to choose: size, performance, availability, cost",
        "evaluate": "How to evaluate: accuracy, perplexity, BLEU",
    },
    "zh": {
        "use": "最佳应用是什么？",
        "choose": "如何选择：模型大小、性能、可用性、成本",
        "evaluate": "如何评估：准确率、困惑度、BLEU",
    },
}
TASKS: dict[Language, dict[str, str]] = {
    "en": {
        "generate": "generate: write a text, a poem, code, a script or a tune from a prompt",
        "translate": "translate: Chinese to English or English to Chinese",
        "answer": "answer: take the answer to a question from a passage, with the sentence that holds it",
        "summarize": "summarize: say a long text in a short one",
        "describe": "describe: say what a picture or a film shows",
    },
    "zh": {
        "generate": "generate：按提示写文章、诗词、代码、剧本或乐谱",
        "translate": "translate：中译英或英译中",
        "answer": "answer：从一段文字里找出问题的答案，并给出所在的句子",
        "summarize": "summarize：把长文写成短文",
        "describe": "describe：说明图片或视频里有什么",
    },
}
COMMANDS = {
    "generate": "sibao generate '...'", "translate": "sibao translate '...' --to {to}", "summarize": "sibao summarize FILE",
    "answer": "sibao answer '...?' --context '...'", "describe": "sibao describe picture.png",
}  # fmt: skip
WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "unclear": "The need does not name a task ({why}). Say which of these it is, or give rows with --data:",
        "told": "told by {why}",
        "size": "Size decides memory and speed: `sibao fit MODEL` says what fits. Smallest that do this task: {models}.",
        "performance": "Performance on your own rows, not on a leaderboard: `sibao choose --data FILE --model A --model B` "
        "races them and says how sure it is.",
        "availability": "Availability: {open} with open weights, {hosted} behind an interface. No longer to be had: {retired}.",
        "cost": "Cost: open weights cost your machine's time and energy. Hosted, per million tokens read / written: {models}.",
        "none": "none in the catalogue",
        "metrics": "This task is measured by {metrics}, each with its interval.",
    },
    "zh": {
        "unclear": "从描述里看不出是哪种任务（{why}）。请说明是下面哪一种，或用 --data 给出数据：",
        "told": "依据：{why}",
        "size": "大小决定内存和速度：`sibao fit MODEL` 会说明能否放下。能做这项任务的小模型：{models}。",
        "performance": "性能要看自己的数据，而不是排行榜：`sibao choose --data FILE --model A --model B` "
        "让它们比赛，并说明有多大把握。",
        "availability": "可用性：开放权重 {open} 个，在线接口 {hosted} 个。已下线的：{retired}。",
        "cost": "成本：开放权重花的是本机的时间和电；在线模型按每百万词元（读入 / 写出）计价：{models}。",
        "none": "目录中没有",
        "metrics": "这项任务用 {metrics} 衡量，每个数都带区间。",
    },
}
METRICS: dict[Language, dict[str, str]] = {
    "en": {
        "accuracy": "accuracy: the share of answers that are right; for labels and choices, never for free text.",
        "perplexity": "perplexity: how surprised a model is by a text; between models compare it per byte or character, "
        "because tokens differ.",
        "bleu": "BLEU: words shared with a reference translation, over the whole corpus; say the tokenizer (zh for Chinese).",
        "chrf": "chrF: the same by characters; steadier on single sentences, needs no tokenizer.",
        "exact_match": "exact match: the share of answers equal to an accepted one.",
        "f1": "F1: words (characters in Chinese) shared with the accepted answer.",
        "rougel": "ROUGE-L: the longest common sequence of words (characters in Chinese) with a reference.",
    },
    "zh": {
        "accuracy": "准确率：答对的比例；用于标签和选择题，不用于自由文本。",
        "perplexity": "困惑度：模型对一段文字有多意外；不同模型要按字节或字来比，因为词元不同。",
        "bleu": "BLEU：译文与参考译文共有的词，按全部句子一起算；要说明分词方式（中文用 zh）。",
        "chrf": "chrF：按字符算的同类指标；单句上更稳，不需要分词。",
        "exact_match": "完全匹配：与某个标准答案完全相同的比例。",
        "f1": "F1：与标准答案共有的词（中文按字）。",
        "rougel": "ROUGE-L：与参考摘要的最长公共部分（中文按字）。",
    },
}
