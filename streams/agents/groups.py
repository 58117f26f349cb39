"""Names of consumer groups that others than their members ask for; apart from Faust, which takes half a second."""


def intake_group(prefix: str) -> str:
    """The consumer group whose committed offsets the close barrier waits for."""
    return f"{prefix}intake"
