"""What is traded: the fixed facts of a symbol and the scales that make the protocol's numbers of its integers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from tradingview_simulator.model.calendars import Calendar


@dataclass(frozen=True, eq=False)
class Instrument:
    """One symbol. Compared by identity; its name is its key.

    base_price: in ticks, around which the price wanders; volatility: of a day, as a fraction; trades_per_second: mean
    while the session lasts, at most 0.97; day_volume: median, in units (0 for an instrument without volume);
    volume_scale: units in 1.0 of volume; delay_s: how far its feed is behind the exchange. has_auction: whether a
    closing auction prints just after the close, on about half of the days. rolls: whether it is a continuous future
    that goes over to the next contract every month.
    """

    exchange: str
    symbol: str
    description: str
    kind: str
    calendar: Calendar
    listed: date
    pricescale: int
    base_price: int
    volatility: float
    trades_per_second: float
    day_volume: int
    volume_scale: int = 1
    minmov: int = 1
    delay_s: int = 0
    has_bbo: bool = True
    currency: str = "USD"
    typespecs: tuple[str, ...] = ()
    country: str = "US"
    has_auction: bool = False
    rolls: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`EXCHANGE:SYMBOL`."""
        return f"{self.exchange}:{self.symbol}"

    @property
    def has_volume(self) -> bool:
        return self.day_volume > 0

    @property
    def update_mode(self) -> str:
        """`streaming`, or `delayed_streaming_<seconds>` (protocol §3.4)."""
        return f"delayed_streaming_{self.delay_s}" if self.delay_s else "streaming"

    def price(self, ticks: int) -> float:
        """The protocol's number for a price: the float nearest to ticks * minmov / pricescale."""
        return ticks * self.minmov / self.pricescale

    def volume(self, units: int) -> float:
        """The protocol's number for a volume: the float nearest to units / volume_scale."""
        return units / self.volume_scale
