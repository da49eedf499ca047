"""Faust's process runner, leaving logging to us."""

import logging
from typing import Any

import faust

from streams.wire.fetch import hand_out_columns


class Worker(faust.Worker):
    """Runs an app until SIGTERM or SIGINT; the process is the worker's alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        hand_out_columns()
        super().__init__(*args, **kwargs)

    def _setup_logging(self) -> None:
        for noisy in ("aiokafka", "faust", "mode"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        self.spinner = None  # it would print escape codes into the log

    async def _sentinel_task(self) -> None:
        """Faust's own waits for a second, during which nobody has this worker's partitions."""
