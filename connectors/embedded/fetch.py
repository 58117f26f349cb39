"""`python -m connectors.embedded.fetch`: the embedded servers' archives are in the cache afterwards."""

import sys
from typing import Final

from connectors.embedded.artifacts import Archives
from connectors.embedded.errors import ArchiveError

_UNREACHABLE: Final = 3  # as the commands of `beaas` end where a server cannot be reached


def main() -> int:
    """Fetches what is missing; quick and without network when nothing is."""
    try:
        Archives().fetch_all()
    except ArchiveError as error:
        sys.stderr.write(f"{error}\n")
        return _UNREACHABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
