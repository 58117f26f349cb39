"""`python -m streams.cli` is `beaas`."""

from streams.cli import main

main()
