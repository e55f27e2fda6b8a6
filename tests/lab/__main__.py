"""Make what takes long, before the tests: ``python -m tests.lab``."""

from __future__ import annotations

import sys

from tests.lab import assets
from tests.lab.certificates import make_certificate
from tests.lab.network import private_network
from tests.lab.podman import rootful_podman
from tests.lab.scratch import scratch_directory

with scratch_directory() as directory:
    ca_file = make_certificate(directory / "trusted").ca_file
    network = private_network("p")
    with rootful_podman(directory / "podman", network=network, ca_file=ca_file) as engine:
        assets.ensure_image(engine)
sys.stdout.write(f"{assets.model()}\n{assets.embedder()}\n")
