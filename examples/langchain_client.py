"""A chain of LangChain's on a local model: ``python langchain_client.py [MODEL]``."""

import sys

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

import ramalama

PROMPT = ChatPromptTemplate.from_messages(
    [("system", "You translate into French."), ("user", "{text}")]
)

with ramalama.serve(sys.argv[1] if sys.argv[1:] else "smollm2:135m") as server:
    # Its client knows the way to the server, which has no network and listens on a UNIX socket.
    client = server.client()
    model = ChatOpenAI(
        model=server.model,
        root_client=client,
        client=client.chat.completions,
        api_key=SecretStr("none is needed"),
        max_completion_tokens=64,
    )
    chain = PROMPT | model | StrOutputParser()
    for piece in chain.stream({"text": "The sky is blue."}):
        print(piece, end="", flush=True)
    print()
