"""What a run of the bench can fail with."""


class BenchError(RuntimeError):
    """The run cannot go on; the message says why in one line."""
