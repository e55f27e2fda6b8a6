"""The main class of the library."""

from __future__ import annotations

from ramalama.api.async_methods import AsyncMethods
from ramalama.api.document_methods import DocumentMethods
from ramalama.api.engine_questions import EngineQuestions
from ramalama.api.model_methods import ModelMethods
from ramalama.api.running_servers import RunningServers


class Ramalama(AsyncMethods, DocumentMethods, EngineQuestions, ModelMethods, RunningServers):
    """Runs models in containers on one engine; use one object per process, and close it at the end.

    The engine is not contacted before it is needed. The methods block, except for the coroutines,
    and may be called from any thread. A process that is forked meanwhile may use it, too, but
    cleans up nothing.

    Attributes:
        config: the settings of this host; None reads those that the commands read, from the user's
            files and environment, see `Config.load`. `Config()` reads nothing.
        user: the user whose engine, credentials and directories are used; None takes the invoking
            user.
        models: the models of this machine, and those that can be pulled.
        run_dir: the directory of the sockets and API keys of running servers.
    """
