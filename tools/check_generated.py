"""Fails when something generated and committed no longer matches its source.

Run as `python -m tools.check_generated`: records from the Avro schemas, released schema versions, typed queries from
the SQL (prepared on a migrated scratch database), and the pages of settings, topics and metrics.
"""

import subprocess
import sys

CHECKS = (
    ("records of schemas/", ("tools.generate_records", "--check")),
    ("compatibility of schemas/", ("tools.check_schemas",)),
    ("queries of connectors/postgres/sql/", ("tools.generate_queries", "--check")),
    ("docs/settings.md, topics.md, metrics.md", ("tools.reference_pages", "--check")),
)


def main() -> int:
    """Runs every check; returns 1 if one failed."""
    failed = [
        name for name, command in CHECKS if subprocess.run([sys.executable, "-m", *command], check=False).returncode
    ]
    for name in failed:
        sys.stderr.write(f"stale: {name}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
