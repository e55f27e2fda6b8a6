"""Ask a model several things at once, with asyncio: ``python several_at_once.py [MODEL]``."""

import asyncio
import sys

import ramalama

QUESTIONS = ("What is a seal?", "What is a llama?", "What is a container?")


async def main(model: str) -> None:
    async with ramalama.aserve(model, parallel=len(QUESTIONS), ctx_size=4096) as server:

        async def ask(question: str) -> str:
            answer = server.achat().ask(question, max_tokens=64)
            return "".join([piece async for piece in answer])

        answers = await asyncio.gather(*map(ask, QUESTIONS))

    for question, answer in zip(QUESTIONS, answers, strict=True):
        print(f"{question}\n{answer}\n")


asyncio.run(main(sys.argv[1] if sys.argv[1:] else "smollm2:135m"))
