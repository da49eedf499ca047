"""Dead letters as values: parsed, filtered, counted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from streams.core.keys import partition_of
from streams.tools.audit.log import Entry

RETRIED = ("state", b"retried")
"""Header of the marker that says a letter went back to its topic; the marker's key is the letter's id."""
_ORIGINAL = "original-"


@dataclass(frozen=True, slots=True)
class Letter:
    """A record set aside, as it was (`key`, `value`, `headers`, `timestamp` its arrival in ms), and why."""

    id: str
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    retried: bool

    def target(self, partitions: int) -> int:
        """Partition that a retry goes to: by the key; where it was if there is none."""
        return self.partition if self.key is None else partition_of(self.key, partitions)


def parse(entries: Iterable[Entry]) -> dict[str, Letter]:
    """Letters by id, in the order in which they are given; records that are none are skipped."""
    listed = list(entries)
    retried = {entry.key for entry in listed if RETRIED in entry.headers}
    found = {}
    for entry in listed:
        if RETRIED not in entry.headers and (letter := _letter(entry, retried=entry.key in retried)):
            found[letter.id] = letter
    return found


def _letter(entry: Entry, *, retried: bool) -> Letter | None:
    headers = dict(entry.headers)
    try:
        return Letter(
            id=(entry.key or b"").decode(),
            reason=headers["reason"].decode(),
            detail=headers["detail"].decode("utf-8", "replace"),
            topic=headers["topic"].decode(),
            partition=int(headers["partition"]),
            offset=int(headers["offset"]),
            timestamp=int(headers.get("timestamp", b"0")),
            key=headers.get("key"),
            value=entry.value,
            headers=tuple((n.removeprefix(_ORIGINAL), v) for n, v in entry.headers if n.startswith(_ORIGINAL)),
            retried=retried,
        )
    except (KeyError, ValueError):
        return None


def choose(
    letters: Iterable[Letter], *, reason: str | None = None, topic: str | None = None, waiting: bool = False
) -> list[Letter]:
    """Letters of this reason and topic (None: any); `waiting`: only those not retried."""
    return [
        letter
        for letter in letters
        if reason in (None, letter.reason) and topic in (None, letter.topic) and not (waiting and letter.retried)
    ]


def counts(letters: Iterable[Letter]) -> list[tuple[str, str, int, int]]:
    """(reason, topic, letters, of them retried), most letters first."""
    every: Counter[tuple[str, str]] = Counter()
    again: Counter[tuple[str, str]] = Counter()
    for letter in letters:
        every[letter.reason, letter.topic] += 1
        again[letter.reason, letter.topic] += letter.retried
    return [(*pair, count, again[pair]) for pair, count in sorted(every.items(), key=lambda item: (-item[1], item[0]))]


def render(letter: Letter) -> list[str]:
    """The lines of `show`."""
    value = "(tombstone)" if letter.value is None else letter.value.decode("utf-8", "backslashreplace")
    key = "(none)" if letter.key is None else letter.key.decode("utf-8", "backslashreplace")
    state = "retried" if letter.retried else "waiting"
    fields = {
        "id": letter.id, "reason": letter.reason, "detail": letter.detail, "state": state, "topic": letter.topic,
        "partition": letter.partition, "offset": letter.offset, "arrival_ms": letter.timestamp, "key": key,
    }  # fmt: skip
    lines = [f"{name:<10} {text}" for name, text in fields.items()]
    lines += [f"{'header':<10} {name}: {data.decode('utf-8', 'backslashreplace')}" for name, data in letter.headers]
    return [*lines, "", value]
