"""The adapter of tvDatafeed over real sockets: every way in which an answer can go wrong has its own end."""

import asyncio
import math
import time

import pytest

from candlewick_local.ports import free_ports
from contracts.calendar import ALWAYS, Calendar
from contracts.history import Series
from contracts.intervals import Interval
from history_sync.core.failures import AFTER_TOO_MANY_MS, ErrorCode
from history_sync.provider import Call, Fetched, ProviderUnavailable, Refused
from history_sync.tvdatafeed import TvDatafeedProvider
from tests.support.venue import NOW_MS, T0, Asked, values, venue
from tradingview.codec import Heartbeat, Message, encode, heartbeat

SERIES = Series(exchange="NSE", symbol="TEST", interval=Interval.M1)


async def fetch(url: str, within_s: float = 20.0, call: Call | None = None) -> Fetched:
    provider = TvDatafeedProvider(url, "a-token", lambda: NOW_MS + 77)
    return await asyncio.to_thread(provider.fetch, SERIES, 5, call or Call(within_s))


async def well(asked: Asked) -> None:
    await asked.say(asked.resolved(visible_plots_set="ohlcv"), asked.update(values(3)), asked.completed())


async def nothing(_asked: Asked) -> None:
    return


async def unavailable(url: str, within_s: float = 20.0) -> ProviderUnavailable:
    with pytest.raises(ProviderUnavailable) as caught:
        await fetch(url, within_s)
    return caught.value


async def refused(url: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await fetch(url)
    return caught.value


async def test_a_good_answer_has_its_rows_and_the_instant_of_its_data() -> None:
    async with venue(well) as at:
        found = await fetch(at.url)
    assert [tuple(row) for row in found.rows] == [(bar[0] * 1000, *bar[1:]) for bar in values(3)]
    assert (found.closed_until, found.answered_at) == (NOW_MS, NOW_MS + 77)
    assert (found.calendar, found.last_closes) == (ALWAYS, None)


async def test_the_symbols_calendar_comes_with_the_answer() -> None:
    hours = {"timezone": "Asia/Kolkata", "session": "0915-1530", "session_holidays": "20251225"}

    async def act(asked: Asked) -> None:
        await asked.say(asked.resolved(**hours), asked.update(values(3)), asked.completed())

    async with venue(act) as at:
        found = await fetch(at.url)
    assert found.calendar is Calendar.parse("Asia/Kolkata", "0915-1530", "20251225")


async def test_an_answer_without_the_symbols_metadata_is_tried_again() -> None:
    async def act(asked: Asked) -> None:
        await asked.say(asked.update(values(3)), asked.completed())

    async with venue(act, resolves=False) as at:
        error = await unavailable(at.url)
    assert (error.cause, "metadata" in error.detail) == ("partial", True)


async def test_a_calendar_that_cannot_be_read_ends_the_fetch_with_a_code() -> None:
    async def act(asked: Asked) -> None:
        said = asked.resolved(timezone="Mars/Olympus", session="0915-1530")
        await asked.say(said, asked.update(values(3)), asked.completed())

    async with venue(act) as at:
        error = (await refused(at.url)).error
    assert error.code is ErrorCode.UNREADABLE_CALENDAR
    assert "Mars/Olympus" in error.detail


async def test_bars_before_1970_are_fetched_with_their_stamps() -> None:
    stamps = [-86_400.0 * days for days in (3, 2, 1)]

    async def act(asked: Asked) -> None:
        await asked.say(asked.update([[stamp, 1.0, 2.0, 0.5, 1.5, 9.0] for stamp in stamps]), asked.completed())

    async with venue(act) as at:
        assert [row.stamped_ms for row in (await fetch(at.url)).rows] == [stamp * 1000 for stamp in stamps]


async def test_the_connection_is_ours_with_one_origin_and_the_token_and_is_closed_afterwards() -> None:
    async with venue(well) as at:
        await fetch(at.url)
        async with asyncio.timeout(5):
            while not at.closed:
                await asyncio.sleep(0.01)
        [asked] = at.asked
    assert asked.headers.get_all("Origin") == ["https://www.tradingview.com"]
    said = {packet.method: packet.params for packet in asked.heard if isinstance(packet, Message)}
    assert said["set_auth_token"] == ("a-token",)
    assert said["create_series"][3:] == ("symbol_1", "1", 5)


@pytest.mark.parametrize(
    ("mode", "pace", "behind_ms"),
    [("streaming", 5, 5_000), ("delayed_streaming_900", 0, 900_000), ("endofday", 0, 900_000)],
)
async def test_data_of_a_delayed_feed_are_as_old_as_it_says(mode: str, pace: int, behind_ms: int) -> None:
    async def act(asked: Asked) -> None:
        await asked.say(asked.update(values(3)), asked.completed(mode, pace))

    async with venue(act) as at:
        assert (await fetch(at.url)).closed_until == NOW_MS - behind_ms


async def test_heartbeats_are_answered_and_do_not_lengthen_the_wait() -> None:
    async def act(asked: Asked) -> None:
        for number in range(1, 10_000):
            await asked.say(heartbeat(number))
            await asyncio.sleep(0.05)

    async with venue(act) as at:
        began = time.monotonic()
        assert (await unavailable(at.url, 1.0)).cause == "deadline"
        assert time.monotonic() - began < 3.0
        assert Heartbeat(1) in at.asked[0].heard


async def test_an_answer_that_never_comes_ends_at_the_deadline() -> None:
    async with venue(nothing) as at:
        began = time.monotonic()
        assert (await unavailable(at.url, 0.5)).cause == "deadline"
        assert time.monotonic() - began < 5.0


async def test_a_fetch_can_be_cut_short_from_outside() -> None:
    async with venue(nothing) as at:
        call = Call(60.0)
        work = asyncio.create_task(fetch(at.url, call=call))
        async with asyncio.timeout(10):
            while not (at.asked and at.asked[0].chart):
                await asyncio.sleep(0.01)
            call.cut()
            with pytest.raises(ProviderUnavailable):
                await work


async def test_bars_without_the_end_of_the_answer_are_not_taken_for_all_of_them() -> None:
    async def act(asked: Asked) -> None:
        await asked.say(asked.update(values(3)))
        await asyncio.sleep(0.05)
        await asked.cut()

    async with venue(act) as at:
        assert (await unavailable(at.url)).cause == "partial"


async def test_bars_of_a_second_update_which_tvdatafeed_does_not_read_are_missed() -> None:
    async def act(asked: Asked) -> None:
        await asked.say(asked.update(values(3)), asked.update(values(2, first=3)), asked.completed())

    async with venue(act) as at:
        error = await unavailable(at.url)
    assert (error.cause, error.detail) == ("partial", "2 of 5 bars were not read")


async def test_an_empty_first_update_which_tvdatafeed_stumbles_over_is_tried_again() -> None:
    async def act(asked: Asked) -> None:
        await asked.say(asked.update([]), asked.update(values(3)), asked.completed())

    async with venue(act) as at:
        assert (await unavailable(at.url)).cause in {"unreadable", "partial"}


async def test_a_series_without_bars_is_no_data() -> None:
    async def act(asked: Asked) -> None:
        await asked.say(asked.completed())

    async with venue(act) as at:
        assert (await refused(at.url)).error.code is ErrorCode.NO_DATA


async def test_a_refused_symbol_ends_at_once_with_the_providers_words() -> None:
    async def act(asked: Asked) -> None:
        await asked.say(
            encode("critical_error", "qs_x", "invalid_parameters", "quote_add_symbols"),
            encode("symbol_error", asked.chart, "symbol_1", "permission denied", "group", "economics_paid"),
            encode("series_error", asked.chart, "s1", "s1", "resolve error", "server"),
        )

    async with venue(act) as at:
        began = time.monotonic()
        error = (await refused(at.url)).error
        assert time.monotonic() - began < 3.0
    assert (error.code, error.detail) == (ErrorCode.SYMBOL_REFUSED, "permission denied, group, economics_paid")


async def test_a_bad_token_is_unauthorized() -> None:
    async def act(asked: Asked) -> None:
        await asked.say(encode("protocol_error", "bad auth token"))
        await asked.cut()

    async with venue(act) as at:
        assert (await refused(at.url)).error.code is ErrorCode.UNAUTHORIZED


async def test_a_killed_chart_session_is_tried_again() -> None:
    async def act(asked: Asked) -> None:
        await asked.say(encode("critical_error", asked.chart, "invalid parameters", "method: create_series"))

    async with venue(act) as at:
        assert (await unavailable(at.url)).cause == "failed"


async def test_a_handshake_refused_with_403_needs_a_person_and_one_with_429_needs_time() -> None:
    async with venue(nothing, status=403) as at:
        assert (await refused(at.url)).error.code is ErrorCode.UNAUTHORIZED
    async with venue(nothing, status=429) as at:
        error = await unavailable(at.url)
    assert (error.cause, error.at_least_ms) == ("refused", AFTER_TOO_MANY_MS)


async def test_nobody_at_the_address_is_unreachable() -> None:
    (port,) = free_ports(1)
    assert (await unavailable(f"ws://127.0.0.1:{port}/socket.io/websocket")).cause == "unreachable"


async def test_volumes_are_unknown_from_the_first_bar_without_one() -> None:
    async def act(asked: Asked) -> None:
        await asked.say(asked.update([*values(2), values(1, first=2)[0][:5], *values(1, first=3)]), asked.completed())

    async with venue(act) as at:
        found = await fetch(at.url)
    assert [row.volume for row in found.rows] == [100.0, 101.0, None, None]


async def test_a_number_that_tvdatafeed_cannot_read_spoils_its_own_row_only() -> None:
    async def act(asked: Asked) -> None:
        bad = [float(T0 + 60), None, 11.0, 9.0, 10.5, 5.0]
        await asked.say(asked.update([*values(1), bad, *values(1, first=2)]), asked.completed())

    async with venue(act) as at:
        found = await fetch(at.url)
    assert [math.isfinite(row.close) for row in found.rows] == [True, False, True]
    assert [row.volume for row in found.rows] == [100.0, None, None]
