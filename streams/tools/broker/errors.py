"""The one exception of this package."""


class BrokerError(Exception):
    """Kafka cannot be started here; the message is one line: what is wrong, and the remedy."""
