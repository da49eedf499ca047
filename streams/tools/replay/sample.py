"""Makes the sample of KuaiRand-Pure that ships with the project: python -m streams.tools.replay.sample FOLDER.

Whole users are taken, in the order of a hash of their number, until there are enough impressions; the times, the
doubles and all other columns are left as they are or left out. The same input gives the same bytes.
"""

import csv
import gzip
import io
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from streams.core.keys import event_hash
from streams.tools.replay.reader import SAMPLE, Impression, Video, read_impressions, read_videos

IMPRESSIONS = 40_000
LOG_COLUMNS = (
    "user_id", "video_id", "time_ms", "is_like", "is_follow", "is_comment", "is_forward", "is_hate", "play_time_ms",
    "duration_ms", "tab",
)  # fmt: skip
VIDEO_COLUMNS = ("video_id", "author_id", "upload_dt", "video_duration", "music_id", "tag")


def choose(impressions: Sequence[Impression], at_least: int) -> list[Impression]:
    """All impressions of enough users, in the order given."""
    by_user: dict[int, int] = defaultdict(int)
    for impression in impressions:
        by_user[impression.user] += 1
    chosen: set[int] = set()
    total = 0
    for user in sorted(by_user, key=lambda user: event_hash(f"sample:{user}")):
        if total >= at_least:
            break
        chosen.add(user)
        total += by_user[user]
    return [impression for impression in impressions if impression.user in chosen]


def log_row(row: Impression) -> tuple[int, ...]:
    """Cells of LOG_COLUMNS."""
    marks = (row.liked, row.followed, row.commented, row.forwarded, row.hated)
    return (row.user, row.video, row.time_ms, *map(int, marks), row.play_ms, row.duration_ms, row.surface)


def video_row(video: Video) -> tuple[int | str, ...]:
    """Cells of VIDEO_COLUMNS."""
    ids = ["" if name == "unknown" else name for name in (video.creator, video.sound)]
    return (video.video, ids[0], video.uploaded, video.duration_ms, ids[1], ",".join(video.tags) or "unknown")


def write_csv(file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A gzipped CSV file that is the same bytes for the same rows."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    file.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


def make(source: Path, target: Path) -> tuple[int, int]:
    """Write the two files of the sample into `target`; -> (impressions, videos)."""
    impressions = choose(read_impressions(source), IMPRESSIONS)
    used = {impression.video for impression in impressions}
    videos = [video for video in read_videos(source) if video.video in used]
    write_csv(target / "log_sample.csv.gz", LOG_COLUMNS, map(log_row, impressions))
    write_csv(target / "video_features_basic_sample.csv.gz", VIDEO_COLUMNS, map(video_row, videos))
    return len(impressions), len(videos)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    made = make(Path(sys.argv[1]), SAMPLE)
    sys.stdout.write(f"{made[0]} impressions, {made[1]} videos in {SAMPLE}\n")
