"""Names of consumer groups, which others than their members ask for; apart from Faust, which takes half a second."""


def intake_group(prefix: str) -> str:
    """The consumer group whose committed offsets the close barrier waits for."""
    return f"{prefix}intake"


def rating_group(prefix: str) -> str:
    """The consumer group that is as far in the journal as statements and totals are."""
    return f"{prefix}rating"


def sink_group(prefix: str, source: str) -> str:
    """The consumer group that writes a topic (its name without the prefix) to PostgreSQL."""
    return f"{prefix}sink-{source}"
