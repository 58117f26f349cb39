"""How a worker gives up."""

import logging
import os
from typing import NoReturn

RESTART_ME = 70
"""The exit status that tells whoever started the worker to start it again (`EX_SOFTWARE`)."""

_logger = logging.getLogger(__name__)


def die(doing: str, reason: BaseException) -> NoReturn:
    """Ends the process at once with `RESTART_ME`, after one log record that says what it was doing and why.

    No flush, no goodbye to the group: a process in doubt must not write any more, and everything that it leaves behind
    (an open transaction, half a fetch) is cleaned up by whoever takes its partitions over.
    """
    _logger.critical("the worker ends: %s failed: %r", doing, reason, exc_info=reason)
    logging.shutdown()
    os._exit(RESTART_ME)
