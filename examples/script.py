"""Ask a model one thing: ``python script.py smollm2:135m``."""

import sys

import ramalama

with ramalama.serve(sys.argv[1]) as server:
    for piece in server.chat().ask("Why is the sky blue? Answer in one sentence."):
        print(piece, end="", flush=True)
    print()
