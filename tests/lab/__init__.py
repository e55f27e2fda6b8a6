"""Real engines and registries on private paths, started for a test run and ended with it.

Nothing of the machine's own engines is used or touched: every service has its own storage,
socket, settings and network, and the rootless ones a user of their own. It all takes root, and
Debian's packages, which scripts/test installs. A service that cannot be had is an error, never a
skipped test.
"""
