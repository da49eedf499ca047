"""Commands for people: broker, run, replay, simulate, audit. Production code imports nothing from here."""
