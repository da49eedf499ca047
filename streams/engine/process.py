"""Faust's process runner, leaving logging to us."""

import logging
import os
import sys
from typing import Any, NoReturn

import faust

from streams.wire.fetch import hand_out_columns


class Worker(faust.Worker):
    """Runs an app until SIGTERM or SIGINT; the process is the worker's alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        hand_out_columns()
        super().__init__(*args, **kwargs)

    def execute_from_commandline(self) -> NoReturn:
        """Run until told to stop, and end without Python's own clean-up.

        Everything is committed and closed by then; to free the rows one by one would take up to a second in which
        nobody has this worker's partitions.
        """
        try:
            super().execute_from_commandline()
        except SystemExit as end:
            logging.shutdown()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)

    def _setup_logging(self) -> None:
        for noisy in ("aiokafka", "faust", "mode"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        self.spinner = None  # it would print escape codes into the log

    async def _sentinel_task(self) -> None:
        """Faust's own waits for a second, during which nobody has this worker's partitions."""
