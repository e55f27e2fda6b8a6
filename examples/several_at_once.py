"""Ask a model several things at once, with asyncio: ``python several_at_once.py smollm2:135m``."""

import asyncio
import sys

import ramalama

QUESTIONS = ("What is a seal?", "What is a llama?", "What is a container?")


async def main(model: str) -> None:
    async with ramalama.aserve(model, parallel=len(QUESTIONS), ctx_size=4096) as server:
        client = server.async_client()

        async def ask(question: str) -> str:
            answer = await client.chat.completions.create(
                model=server.model,
                messages=[{"role": "user", "content": question}],
                max_tokens=64,
            )
            return answer.choices[0].message.content or ""

        answers = await asyncio.gather(*map(ask, QUESTIONS))

    for question, answer in zip(QUESTIONS, answers, strict=True):
        print(f"{question}\n{answer}\n")


asyncio.run(main(sys.argv[1]))
