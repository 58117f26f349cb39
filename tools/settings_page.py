"""Writes `docs/settings.md` from the settings tree; `--check` only compares.

Run as `python -m tools.settings_page [--check]`.
"""

import sys
from enum import Enum
from pathlib import Path

from pydantic import SecretStr

from streams.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Every setting is an environment variable with the prefix `BEAAS_`. This page is generated from `streams/settings.py`
(`python -m tools.settings_page`).

| variable | default | meaning |
|---|---|---|
"""


def page() -> str:
    """The page as it must be."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = default.get_secret_value() if isinstance(default, SecretStr) else default
        shown = shown.value if isinstance(shown, Enum) else shown
        rows.append(f"| `BEAAS_{name.upper()}` | {f'`{shown}`' if shown != '' else 'empty'} | {field.description} |")
    return HEAD + "\n".join(rows) + "\n"


def main() -> int:
    """Writes the page, or compares; returns 1 on a difference."""
    if "--check" in sys.argv[1:]:
        if PAGE.exists() and PAGE.read_text() == page():
            return 0
        sys.stderr.write("docs/settings.md is stale: run python -m tools.settings_page\n")
        return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
