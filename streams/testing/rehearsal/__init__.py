"""The production topology on one machine, without containers: a rolling restart under load, reads all the time."""
