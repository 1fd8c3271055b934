"""Translate several texts at once, each into the language it is not in:  python examples/translate.py [MODEL]"""

import sys

import sibao

TEXTS = ["我喜欢读书。", "The weather is fine today.", "他昨天去了北京。"]


def main() -> None:
    """Load the model once and translate the list as a batch."""
    model = sibao.load(sys.argv[1] if len(sys.argv) > 1 else "mini")
    for text, result in zip(TEXTS, sibao.translate(TEXTS, model=model), strict=True):
        print(f"{result.fields['from']} → {result.fields['to']}: {text} → {result.text}")


if __name__ == "__main__":
    main()
