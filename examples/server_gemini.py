"""Google's SDK on `sibao serve`:  python examples/server_gemini.py [ADDRESS]"""

import sys

from google import genai
from google.genai import types

ADD = types.FunctionDeclaration(
    name="add",
    description="Adds two numbers.",
    parameters_json_schema={
        "type": "object",
        "properties": {"a": {"type": "integer", "maximum": 9}, "b": {"type": "integer", "maximum": 9}},
        "required": ["a", "b"],
    },
)


def main() -> None:
    """A streamed answer, a function that must be called, and a chat."""
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=address))
    model = next(iter(client.models.list())).name or ""
    for chunk in client.models.generate_content_stream(model=model, contents="把下面的文字翻译成英文：\n我喜欢读书。"):
        print(chunk.text or "", end="", flush=True)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[ADD])],
        tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY")),
    )
    answer = client.models.generate_content(model=model, contents="What is 1 + 2?", config=config)
    print("\ncalls:", [(call.name, call.args) for call in answer.function_calls or []])
    chat = client.chats.create(model=model, config=types.GenerateContentConfig(max_output_tokens=20))
    print("chat:", chat.send_message("你好").text, "|", chat.send_message("再见").text)


if __name__ == "__main__":
    main()
