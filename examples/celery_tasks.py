"""Celery tasks that ask a model: ``celery --app celery_tasks worker --concurrency 2``.

``python -c "from celery_tasks import summarize; print(summarize.delay('Some text.').get())"``
REDIS_URL names the broker (redis://localhost), MODEL another model than smollm2:135m.
"""

import os

from celery import Celery
from celery.signals import worker_init, worker_shutdown

import ramalama

redis = os.environ.get("REDIS_URL", "redis://localhost")
app = Celery("celery_tasks", broker=redis, backend=redis)


class Model:
    """The model of this worker."""

    server: ramalama.ModelServer


# In the worker's first process, before it forks. (A child process would be killed if it took more
# than four seconds for this.) The children have the object, each with connections of its own.
@worker_init.connect
def start(**_: object) -> None:
    Model.server = ramalama.start(os.environ.get("MODEL", "smollm2:135m"), parallel=2)


@worker_shutdown.connect
def stop(**_: object) -> None:
    Model.server.close()


# A server that is gone may come back; a text that is too long never fits.
@app.task(autoretry_for=(ramalama.ServerGone,), retry_backoff=True, max_retries=3)
def summarize(text: str) -> str:
    chat = Model.server.chat(system="You summarize texts in one sentence.")
    return "".join(chat.ask(text, max_tokens=128, timeout=120))
