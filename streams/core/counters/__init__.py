"""Counter rows of many names in columns, for the stages of videos and trends."""

from streams.core.counters.ragged import checked
from streams.core.counters.store import UNSET, Counters

__all__ = ["UNSET", "Counters", "checked"]
