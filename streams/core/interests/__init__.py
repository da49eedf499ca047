"""User stage: from views, likes and shares to interest rows, and to tallies for the videos."""

from streams.core.interests.stage import UserStage

__all__ = ["UserStage"]
