#!/usr/bin/env python3
"""Print the URL of the container engine that ``ramalama`` would use.

Exit 1 when none answers. Exit 2 when the user's own settings name one that does not: starting
another in its place would not help, ``ramalama`` would not use it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ramalama_engines.discovery.candidates import candidates
from ramalama_engines.discovery.connection import open_route
from ramalama_engines.discovery.identify import identify
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_engines.user import InvokingUser

user = InvokingUser(env=os.environ, home=Path.home(), uid=os.getuid())
wanted = os.environ.get("RAMALAMA_CONTAINER_ENGINE")
try:
    tried = [*candidates(user, kind=EngineKind(wanted) if wanted else None)]
except (EngineUnavailable, ValueError) as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(2)
for candidate in tried:
    if candidate.refusal:
        sys.stderr.write(f"{candidate.url}: {candidate.refusal}\n")
        continue
    try:
        identify(open_route(candidate.address))
    except EngineUnavailable as error:
        sys.stderr.write(f"{candidate.url}: {error}\n")
    else:
        sys.stdout.write(f"{candidate.url}\n")
        sys.exit()
sys.exit(2 if wanted == EngineKind.DOCKER or any(each.explicit for each in tried) else 1)
