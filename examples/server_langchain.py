"""LangChain on `sibao serve`:  python examples/server_langchain.py [ADDRESS [MODEL]]"""

import sys

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI


def main() -> None:
    """A chain of prompt, model and parser: run once, streamed, and on several texts."""
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    name = sys.argv[2] if len(sys.argv) > 2 else "mini"
    model = ChatOpenAI(base_url=f"{address}/v1", api_key="none", model=name, temperature=0, max_tokens=60)
    chain = ChatPromptTemplate.from_template("Translate into Chinese:\n{text}") | model | StrOutputParser()
    print("once:", chain.invoke({"text": "I like reading."}))
    print("streamed:", end=" ")
    for piece in chain.stream({"text": "The weather is fine today."}):
        print(piece, end="", flush=True)
    print("\nseveral:", chain.batch([{"text": "I drink tea."}, {"text": "See you tomorrow."}]))


if __name__ == "__main__":
    main()
