"""What goes wrong with embedded servers.

EmbeddedError
├── ArchiveError         an archive cannot be fetched, or is not the pinned one
├── DataDirectoryError   the directory is somebody else's, or another start holds it
├── NotRunningError      nothing runs on the data directory
└── ServerError          a server did not start, or ended by itself
"""


class EmbeddedError(Exception):
    """An embedded server cannot be had; the text says why and what to do."""


class ArchiveError(EmbeddedError):
    """An archive cannot be fetched, or what was fetched is not what was pinned."""


class DataDirectoryError(EmbeddedError):
    """The data directory must not be used: it is not ours, or it is in use."""


class NotRunningError(EmbeddedError):
    """No servers run on the data directory."""


class ServerError(EmbeddedError):
    """A server did not answer in time, or ended by itself."""
