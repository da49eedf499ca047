"""Folds account states: flags on the user's row that apply to what is folded after them."""

from collections.abc import Sequence

from streams.core.arrival import arrive_account
from streams.core.events import AccountState
from streams.core.interests.state import State
from streams.core.ports import Record, Rejected
from streams.core.rows import AccountFlag

TOPIC = "accounts"


def flags_of(account: AccountState | None) -> AccountFlag:
    """Flags of a state; of a tombstone: none."""
    if account is None:
        return AccountFlag(0)
    flags = AccountFlag.KNOWN
    if account.private:
        flags |= AccountFlag.PRIVATE
    if account.status != "active":
        flags |= AccountFlag.BANNED
    if account.age_band != "adult":
        flags |= AccountFlag.MINOR
    return flags


def fold(state: State, records: Sequence[Record]) -> None:
    """Checked states replace the flags of their users; the last of a user stays."""
    where = state.where(TOPIC)
    keys, flags = [], []
    for record in records:
        account = arrive_account(where, record)
        if isinstance(account, Rejected):
            state.rejected.append(account)
        elif record.key is not None:
            keys.append(record.key)
            flags.append(int(flags_of(account)))
    slots = state.slots_of(keys)
    state.columns.account[slots] = flags
    state.columns.touch(slots)
    state.counters[TOPIC] += len(keys)
