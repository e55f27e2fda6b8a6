"""Ask a model one thing: ``python script.py [MODEL]``."""

import sys

import ramalama

model = sys.argv[1] if sys.argv[1:] else "smollm2:135m"
with ramalama.serve(model) as server:
    for piece in server.chat().ask("Why is the sky blue? Answer in one sentence."):
        print(piece, end="", flush=True)
    print()
