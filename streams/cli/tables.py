"""Where tables are printed: as wide as the terminal, and wide elsewhere, where nobody reads a folded cell."""

from typing import Final

from rich.console import Console

WIDTH_OF_A_FILE: Final = 200


def console() -> Console:
    """Standard output; plain where it is no terminal."""
    out = Console(highlight=False, soft_wrap=False, markup=False)
    return out if out.is_terminal else Console(highlight=False, soft_wrap=False, markup=False, width=WIDTH_OF_A_FILE)
