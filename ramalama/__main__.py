"""``python -m ramalama``."""

import sys

from ramalama.cli import main

sys.exit(main())
