"""Measure a model on rows, and another one beside it:  python examples/evaluate.py [MODEL] [OTHER_MODEL]"""

import sys
from pathlib import Path

import sibao

ROWS = Path(__file__).parents[1] / "src" / "sibao" / "samples" / "csl_category.test.jsonl"


def main() -> None:
    """Every score has an interval and a signature; the comparison is a paired test on the same rows."""
    model = sys.argv[1] if len(sys.argv) > 1 else "mini"
    other = sys.argv[2] if len(sys.argv) > 2 else None
    found = sibao.evaluate(model, task="generate", data=ROWS, limit=50, max_tokens=8, compare=other)
    for score in found.scores:
        print(f"{score.name}: {score.value:.3f} [{score.low:.3f}, {score.high:.3f}], n = {score.n}")
        print(f"  {score.signature}")
    for name, result in found.comparison.items():
        print(f"{name}: {model} is {result.verdict} (p = {result.p_value:.3f}, {result.test})")


if __name__ == "__main__":
    main()
