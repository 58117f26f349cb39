"""What ends a redrive. Run it again in each case: what went back has its marker, and does not go twice."""


class RedriveFenced(Exception):
    """Another redrive began and took over; what this one had not committed was not put back."""


class RedriveFailed(Exception):
    """Kafka refused a batch, or did not answer in time; the text says which."""


class LettersUnreadable(Exception):
    """The dead-letter topic could not be read to its end, or not in time (exit status 3)."""
