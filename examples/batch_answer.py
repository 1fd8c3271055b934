"""Ask several questions about one passage:  python examples/batch_answer.py [MODEL]"""

import sys

import sibao

PASSAGE = (
    "造纸术是中国古代的重要发明。东汉时，蔡伦改进了造纸的方法，用树皮、破布和渔网做原料，"
    "造出的纸又轻又便宜。后来，这种方法传到了朝鲜、日本和阿拉伯。"
)
QUESTIONS = ["谁改进了造纸的方法？", "造纸用什么做原料？", "造纸的方法传到了哪里？"]


def main() -> None:
    """All questions are one batch; an answer that stands in the passage comes with its place and sentence."""
    model = sibao.load(sys.argv[1] if len(sys.argv) > 1 else "mini")
    for question, result in zip(QUESTIONS, sibao.answer(QUESTIONS, PASSAGE, model=model), strict=True):
        print(question, result.text or "（没有答案）")
        if result.fields["start"] is not None:
            print(f"  at {result.fields['start']}: {result.fields['sentence']}")


if __name__ == "__main__":
    main()
