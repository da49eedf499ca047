"""Where a unit goes on in its sources: the group's offset, checked against what the log still holds."""

from collections.abc import Mapping
from typing import NoReturn

import structlog
from faust.types import TP

from streams.engine.exits import ExitCode, leave
from streams.engine.unit import Unit

log = structlog.get_logger("streams.engine")

TRIMMED = "records were deleted before they were folded: raise retention.ms; start with --accept-loss to go on without"
REBUILD = "the tables lost rows: restore them, or recompute all tables: `streams rebuild`"
SHRUNK = "the topic was made anew or lost records: restore it, or recompute all tables: `streams rebuild`"


def start(unit: Unit, committed: Mapping[TP, int | None], begins: Mapping[TP, int], ends: Mapping[TP, int]) -> None:
    """Set the unit's positions. Exit 78 where records between the group's offset and the log are missing.

    Never a seek to what happens to be there: it would leave a hole in every number, or count what was counted.
    """
    for tp in begins:
        offset = committed.get(tp)
        unit.resumes |= offset is not None and offset > begins[tp]
        if offset is not None and offset > ends[tp]:
            leave(ExitCode.STOP, "source-shrunk", tp=str(tp), committed=offset, ends=ends[tp], do=SHRUNK)
        if offset is not None and offset < begins[tp]:
            if not unit.options.accept_loss:
                trimmed(tp, offset, begins[tp])
            log.error(
                "records-lost", topic=tp.topic, partition=tp.partition, first=offset, last=begins[tp] - 1,
                records=begins[tp] - offset,
            )  # fmt: skip
        unit.positions[tp] = begins[tp] if offset is None else max(offset, begins[tp])
        # As the group has it: a position that was moved forward is then committed at once.
        unit.committed[tp] = unit.positions[tp] if offset is None else offset


def check(unit: Unit) -> None:
    """Have the restored tables and the group's offsets agree: they were committed together.

    The tables know better. An offset behind them is an old answer (asked for before the fence) or was reset or
    expired: to go on there would count again what they hold. An offset ahead of them means lost tables: exit 78.
    """
    where = {"partition": unit.number, "do": REBUILD}
    if unit.resumes and not unit.state.flush:
        leave(ExitCode.STOP, "tables-lost", **where)
    for tp, offset in unit.committed.items():
        folded = unit.state.positions.get(unit.bare(tp.topic), offset)
        if offset > folded and not unit.options.accept_loss:
            leave(ExitCode.STOP, "offsets-differ", topic=tp.topic, committed=offset, folded=folded, **where)
        if offset < folded:
            log.warning("offset-behind", topic=tp.topic, partition=tp.partition, committed=offset, folded=folded)
            unit.go_on_at(tp, max(folded, unit.positions[tp]))


def trimmed(tp: TP, position: int, begins: int) -> NoReturn:
    """Stop: the log begins after the position."""
    leave(
        ExitCode.STOP, "source-trimmed", topic=tp.topic, partition=tp.partition, committed=position, begins=begins,
        lost=begins - position, do=TRIMMED,
    )  # fmt: skip
