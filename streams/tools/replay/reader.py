"""Reads KuaiRand: the original CSV files, our sample of them (the same names and columns), or Parquet."""

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LOGS = ("log_*.csv", "log_*.csv.gz")
VIDEOS = ("video_features_basic*.csv", "video_features_basic*.csv.gz")
PARQUET_LOGS = ("val.parquet",)
PARQUET_VIDEOS = ("item_features.parquet",)
SAMPLE = Path(__file__).parents[3] / "data" / "kuairand-sample"

Cells = dict[str, str]


class ReplayError(ValueError):
    """The input is not KuaiRand as this reader knows it: the message says what is missing where."""


class Impression(NamedTuple):
    """A video shown to a user, and what happened then. Times in ms; `play_ms` 0: not watched."""

    user: int
    video: int
    time_ms: int
    play_ms: int
    duration_ms: int
    surface: int
    liked: bool
    forwarded: bool
    commented: bool
    followed: bool
    hated: bool


class Video(NamedTuple):
    """Facts of a video. `uploaded` is YYYY-MM-DD, empty if unknown; `tags` may be empty."""

    video: int
    creator: str
    sound: str
    tags: tuple[str, ...]
    duration_ms: int
    uploaded: str


def read_impressions(where: Path) -> list[Impression]:
    """All impressions in order of time, without the doubles (same user, video and time) the logs contain."""
    files = [where] if where.is_file() else _files(where, LOGS) or _files(where, PARQUET_LOGS)
    if not files:
        raise ReplayError(f"{where}: no KuaiRand log here: expected {', '.join(LOGS + PARQUET_LOGS)}")
    unique: dict[tuple[int, int, int], Impression] = {}
    for file in files:
        for cells in _rows(file):
            impression = _impression(file, cells)
            unique.setdefault(impression[:3], impression)
    return sorted(unique.values(), key=lambda row: row.time_ms)


def read_videos(where: Path) -> list[Video]:
    """Facts of all videos; of a log file, from the folder it lies in."""
    folder = where.parent if where.is_file() else where
    files = _files(folder, VIDEOS) or _files(folder, PARQUET_VIDEOS)
    if not files:
        raise ReplayError(f"{folder}: no video features here: expected {', '.join(VIDEOS + PARQUET_VIDEOS)}")
    return [_video(file, cells) for file in files for cells in _rows(file)]


def _files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Files in the folder or, as in the original archives, in its `data` folder."""
    if not folder.is_dir():
        raise ReplayError(f"{folder}: no such file or folder")
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    return sorted(found or (path for pattern in patterns for path in folder.glob(f"data/{pattern}")))


def _rows(file: Path) -> Iterator[Cells]:
    if file.suffix == ".parquet":
        yield from _parquet_rows(file)
        return
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as raw:
        yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


def _parquet_rows(file: Path) -> Iterator[Cells]:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - only this format needs it
    except ImportError as error:
        raise ReplayError(f"{file}: to read Parquet install pyarrow, or use the CSV files of KuaiRand") from error
    for batch in parquet.ParquetFile(file).iter_batches():
        for row in batch.to_pylist():
            yield {name: "" if cell is None else str(cell) for name, cell in row.items()}


def _impression(file: Path, cells: Cells) -> Impression:
    try:
        return Impression(
            user=int(cells["user_id"]),
            video=int(cells["video_id"]),
            time_ms=int(cells["time_ms"]),
            play_ms=int(cells["play_time_ms"]),
            duration_ms=int(float(cells["duration_ms"])),
            surface=int(cells["tab"]),
            liked=cells["is_like"] != "0",
            forwarded=cells["is_forward"] != "0",
            commented=cells["is_comment"] != "0",
            followed=cells["is_follow"] != "0",
            hated=cells["is_hate"] != "0",
        )
    except (KeyError, ValueError) as error:
        raise ReplayError(f"{file}: not a KuaiRand log: {error!r} in {cells}") from error


def _video(file: Path, cells: Cells) -> Video:
    try:
        tags = tuple(dict.fromkeys(tag for tag in cells["tag"].split(",") if tag not in {"", "unknown"}))
        duration_ms = int(float(cells["video_duration"] or 0))
        creator, sound = _number(cells["author_id"]), _number(cells["music_id"])
        return Video(int(cells["video_id"]), creator, sound, tags, duration_ms, cells["upload_dt"])
    except (KeyError, ValueError) as error:
        raise ReplayError(f"{file}: not KuaiRand video features: {error!r} in {cells}") from error


def _number(cell: str) -> str:
    """An id as digits; some releases write ids as floats."""
    return str(int(float(cell))) if cell else "unknown"
