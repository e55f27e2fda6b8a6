"""The way to an engine over ssh, by asyncssh; needs the extra ``ramalama[ssh]``."""

from importlib.util import find_spec

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.ssh.light_import import import_asyncssh

if find_spec("asyncssh") is None:
    _MESSAGE = "ssh:// needs the Python package asyncssh"
    raise EngineUnavailable(_MESSAGE, hint="pip install 'asyncssh[bcrypt]'")

import_asyncssh()  # before the modules of this package do, in the ordinary way
