"""Distinct types for strings and numbers that look alike."""

from typing import Literal, NewType

UserId = NewType("UserId", str)
VideoId = NewType("VideoId", str)
Tag = NewType("Tag", str)
Region = NewType("Region", str)
EventId = NewType("EventId", str)
Milliseconds = NewType("Milliseconds", int)

Window = Literal["1h", "24h"]

UNKNOWN_REGION = Region("unknown")
ALL_REGIONS = Region("*")
