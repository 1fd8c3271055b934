"""A model out again, as a Hugging Face folder with its card:  python examples/export.py [MODEL]"""

import sys
import tempfile
from pathlib import Path

from huggingface_hub import ModelCard

from sibao.workflows.export import Options, export


def main() -> None:
    """Scores that were measured here stand in the card, and nothing is half-written."""
    model = sys.argv[1] if len(sys.argv) > 1 else "mini"
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "my-model"
        done = export(model, out, Options(precision="fp16"))
        for name, size in done.files.items():
            print(f"{name}: {size:,} bytes")
        card = ModelCard.load(out / "README.md")
        print(f"{card.data.model_name}: {done.parameters:,} parameters, licence {card.data.license}")


if __name__ == "__main__":
    main()
