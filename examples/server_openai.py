"""OpenAI's SDK on `sibao serve`:  python examples/server_openai.py [ADDRESS]"""

import json
import sys

from openai import OpenAI

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 1, "maximum": 99},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


def main() -> None:
    """A streamed answer, one that is JSON of a schema, and vectors."""
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    client = OpenAI(base_url=f"{address}/v1", api_key="none")
    model = client.models.list().data[0].id
    chunks = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "你好！"}], max_tokens=40, stream=True
    )
    for chunk in chunks:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Make up a person."}],
        response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}},
    )
    print("\nperson:", json.loads(answer.choices[0].message.content))
    vector = client.embeddings.create(model=model, input="我喜欢读书。").data[0].embedding
    print(f"a vector of {len(vector)} numbers")


if __name__ == "__main__":
    main()
