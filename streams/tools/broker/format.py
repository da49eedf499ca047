"""Gives a new data folder its identity, which KRaft demands before the first start."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from streams.tools.broker.config import CLUSTER_ID
from streams.tools.broker.errors import BrokerError


def format_storage(java: list[str], properties: Path, logs: Path, extra: Sequence[str] = ()) -> None:
    """Format `logs` unless it is; what a killed format left half done is done anew (it holds no records yet)."""
    if (logs / "meta.properties").is_file() and (logs / "bootstrap.checkpoint").is_file():
        return
    if logs.exists() and not any(logs.glob("*-[0-9]*")):
        shutil.rmtree(logs)
    tool = [*java, "kafka.tools.StorageTool", "format"]
    command = [*tool, "--config", str(properties), "--cluster-id", CLUSTER_ID, "--ignore-formatted", *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
        raise BrokerError(f"Kafka cannot prepare {logs}: {said[-1]}. Delete the folder or use --data.")
