"""Source as a tree."""

import ast
import gc


def parsed(source: str) -> ast.Module:
    """The tree of a source, without the collector meanwhile.

    What it collects may be a failed future of another test, which logs its traceback; Python 3.11 needs the parser for
    that, and then the one that is at work fails with a SystemError.
    """
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        gc.enable()
