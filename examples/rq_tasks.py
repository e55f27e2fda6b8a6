"""A job of RQ that asks a model: ``rq worker --url redis://localhost``.

Another program gives it work: ``Queue(connection=Redis()).enqueue("rq_tasks.summarize", text)``.
The variable MODEL names another model than smollm2:135m.
"""

import os

import ramalama


def summarize(text: str) -> str:
    # RQ forks a process for each job, which uses the container of the jobs before it, and leaves
    # it to those that come within five minutes.
    model = os.environ.get("MODEL", "smollm2:135m")
    with ramalama.serve(model, reuse=True, keep_alive=300) as server:
        chat = server.chat(system="You summarize texts in one sentence.")
        return "".join(chat.ask(text, max_tokens=128, timeout=120))
