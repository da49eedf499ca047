"""A real Kafka on this machine, for people and tests: nothing to install, one process, one data folder."""

from streams.tools.broker.errors import BrokerError
from streams.tools.broker.process import Broker

__all__ = ["Broker", "BrokerError"]
