"""Runs a command as this very process, bound to its parent's life and, for root, as another account.

A script of its own and not a `preexec_fn`: that one runs Python between fork and exec, where a parent with threads
can deadlock. `launch.py PARENT_PID PARENT_DEATH_SIGNAL UID GID ARGV…`; a UID of -1 keeps the account.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def launch(parent_pid: int, death_signal: int, uid: int, gid: int, argv: list[str]) -> None:
    """Becomes the command; returns only by an exit with a message."""
    # loaded before the account changes, which may not be able to read this interpreter's library
    libc = ctypes.CDLL(None)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if death_signal and sys.platform == "linux":
        # after the account has changed: the kernel forgets the signal then
        libc.prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent_pid:  # the parent died before the call
            sys.exit("the parent process is gone")
    try:
        os.execv(argv[0], argv)  # noqa: S606 - the whole point
    except OSError as error:
        sys.exit(f"{argv[0]} cannot be started: {error}")


if __name__ == "__main__":
    parent, death_signal, user, group = map(int, sys.argv[1:5])
    launch(parent, death_signal, user, group, sys.argv[5:])
