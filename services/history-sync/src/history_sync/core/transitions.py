"""The ways that a status goes: every step of it legal (`contracts.history.SyncStatus`)."""

from contracts.history import SyncStatus


def steps(current: SyncStatus | None, wanted: SyncStatus) -> tuple[SyncStatus, ...]:
    """The statuses to write, one after the other, to bring a series from `current` (None: not known yet) to `wanted`.

    Nothing where it is already there. A series that was never asked for begins as pending.
    """
    if current is wanted:
        return ()
    paths: list[tuple[SyncStatus, ...]]
    paths = [(SyncStatus.PENDING,)] if current is None else [(step,) for step in SyncStatus if current.may_become(step)]
    while paths:
        for path in paths:
            if path[-1] is wanted:
                return path
        paths = [(*path, step) for path in paths for step in SyncStatus if path[-1].may_become(step)]
    raise ValueError(f"no way leads from {current} to {wanted}")
