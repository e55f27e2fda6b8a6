"""Import openai lightly; every other module gets openai from here.

Importing it takes long, so only modules that are themselves imported late may import this one.
"""

from ramalama_chat.client._light_import import import_lightly

import_lightly("openai")

import openai  # noqa: E402 - found in sys.modules, where the line above has put it

__all__ = ["openai"]
