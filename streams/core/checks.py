"""Checks of single values. Each says what is wrong, or None."""

from collections.abc import Sequence

from streams.core.types import ALL_REGIONS

NAME_CHARS = 64
LABEL_CHARS = 16
"""Longest region, channel, language, kind and surface."""
TAGS_AT_MOST = 16
MOST_MS = 1 << 43
"""Times lie in [0, 2^43): up to the year 2248."""
MOST_WATCH_MS = (1 << 31) - 1
VALUE_BYTES = 16 * 1024
SHOWN_CHARS = 40


def is_name(value: str, most: int = NAME_CHARS) -> bool:
    """1 to `most` printable characters."""
    return 0 < len(value) <= most and value.isprintable()


def is_name_key(key: bytes) -> bool:
    """UTF-8 of a name."""
    try:
        return is_name(key.decode())
    except UnicodeDecodeError:
        return False


def are_names(values: Sequence[str], most: int = NAME_CHARS) -> bool:
    """`is_name` of all."""
    sizes = set(map(len, values))
    return not sizes or (min(sizes) > 0 and max(sizes) <= most and "".join(values).isprintable())


def are_name_keys(keys: Sequence[bytes]) -> bool:
    """`is_name_key` of all."""
    try:
        return are_names(list(map(bytes.decode, keys)))
    except UnicodeDecodeError:
        return False


def is_region(value: str) -> bool:
    """A region name; `*` stands for all regions and is never one."""
    return is_name(value, LABEL_CHARS) and value != ALL_REGIONS


def is_tags(tags: tuple[str, ...]) -> bool:
    """At most 16 different names."""
    return len(tags) <= TAGS_AT_MOST and len(set(tags)) == len(tags) and all(map(is_name, tags))


def is_time(value: int) -> bool:
    """Milliseconds since the Unix epoch, in [0, 2^43)."""
    return 0 <= value < MOST_MS


def is_watch(value: int) -> bool:
    """Milliseconds watched, 0 to 2^31 - 1."""
    return 0 <= value <= MOST_WATCH_MS


def is_duration(value: int) -> bool:
    """Milliseconds a video lasts, 1 to 2^31 - 1."""
    return 1 <= value <= MOST_WATCH_MS


def shown(value: object) -> str:
    """The value as a dead letter shows it: quoted, at most 40 characters of it."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
