"""`streams run`: the whole pipeline on this machine, with a live view."""
