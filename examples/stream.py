"""Show text while it is written:  python examples/stream.py [MODEL]"""

import sys

import sibao
from sibao.core.types import GenerateOptions, Sampling

OPTIONS = GenerateOptions(max_tokens=60, sampling=Sampling(temperature=0.8, top_p=0.9, seed=1))


def main() -> None:
    """A prompt is bare text, as here, or a list of messages."""
    model = sibao.load(sys.argv[1] if len(sys.argv) > 1 else "mini")
    print("The old house", end="", flush=True)
    for delta in model.stream("The old house", OPTIONS):
        print(delta.text, end="", flush=True)
        if delta.completion:  # only the last piece has one
            usage, seconds = delta.completion.usage, delta.completion.seconds
            print(f"\n({usage.completion_tokens} tokens in {seconds:.2f} s, {delta.completion.finish_reason})")


if __name__ == "__main__":
    main()
