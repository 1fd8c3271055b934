"""Train an adapter that tells a paper's discipline from its title:  python examples/finetune.py [MODEL] [STEPS]

The same on the command line:  sibao finetune MODEL --data FILE --steps STEPS
"""

import sys
from pathlib import Path

import sibao
from sibao.workflows.finetune import finetune, recipe_for

SAMPLES = Path(__file__).parents[1] / "src" / "sibao" / "samples"
TITLE = "这篇论文属于哪个学科门类？\n基于深度学习的水稻病害识别方法研究"


def main() -> None:
    """Train, then load the result by the name MODEL+FOLDER."""
    base = sys.argv[1] if len(sys.argv) > 1 else "mini"
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    run = finetune(recipe_for(base, [str(SAMPLES / "csl_category.train.jsonl")], steps=steps))
    print(f"run {run.run}: {run.status} after {run.state.step} steps; the adapter is {run.model}")
    model = sibao.load(f"{base}+{run.model}")
    print(sibao.generate(TITLE, model=model, max_tokens=8).text)


if __name__ == "__main__":
    main()
