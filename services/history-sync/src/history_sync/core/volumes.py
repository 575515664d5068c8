"""Which volumes of an answer mean something: tvDatafeed writes 0.0 where there is none, and from there on everywhere.

Its parser reads five numbers of a bar; from the first bar without a volume on, it writes 0.0 (protocol §7.1).
"""

import math
from collections.abc import Sequence

from history_sync.core.rows import Row

NO_VOLUME = 1e99
"""TradingView writes 1e+100 for "no value"; no volume comes near it."""


def with_known_volumes(rows: Sequence[Row], has_volume: bool | None, spoiled_from_ms: int | None) -> list[Row]:
    """The rows with None for every volume that is not known.

    `has_volume` is what the symbol's metadata say, None if they do not: then a volume of zero in every row means that
    it has none. `spoiled_from_ms` is the stamp of the first bar that came without a volume; None if there was none.
    """
    if has_volume is None:
        has_volume = any(row.volume for row in rows)
    return [
        row
        if has_volume and _is_known(row) and (spoiled_from_ms is None or row.stamped_ms < spoiled_from_ms)
        else row._replace(volume=None)
        for row in rows
    ]


def _is_known(row: Row) -> bool:
    return row.volume is not None and math.isfinite(row.volume) and 0 <= row.volume < NO_VOLUME
