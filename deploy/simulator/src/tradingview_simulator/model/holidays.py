"""When exchanges are closed: the United States by rule, other countries by the lists of their exchanges."""

from collections.abc import Iterable
from datetime import date, timedelta

US_YEARS = range(2000, 2031)

NSE = """
2024 0122 0126 0308 0325 0329 0411 0417 0501 0520 0617 0717 0815 1002 1101 1115 1120 1225
2025 0226 0314 0331 0410 0414 0418 0501 0815 0827 1002 1021 1022 1105 1225
2026 0115 0126 0303 0326 0331 0403 0414 0501 0528 0626 0914 1002 1020 1110 1124 1225
2027 0126 0322 0326 0414 1029
"""
TSE = """
2024 0101 0102 0103 0108 0212 0223 0320 0429 0503 0506 0715 0812 0916 0923 1014 1104 1231
2025 0101 0102 0103 0113 0211 0224 0320 0429 0505 0506 0721 0811 0915 0923 1013 1103 1124 1231
2026 0101 0102 0112 0211 0223 0320 0429 0504 0505 0506 0720 0811 0921 0922 0923 1012 1103 1123 1231
2027 0101 0111 0211 0223 0322 0429 0503 0504 0505 0719 0811 0920 0923 1011 1103 1123 1231
"""
HKEX = """
2024 0101 0212 0213 0329 0401 0404 0501 0515 0610 0701 0918 1001 1011 1225 1226
2025 0101 0129 0130 0131 0404 0418 0421 0501 0505 0701 1001 1007 1029 1225 1226
2026 0101 0217 0218 0219 0403 0406 0407 0501 0525 0619 0701 1001 1019 1225
2027 0101 0208 0209 0326 0329 0405 0513 0609 0701 0916 1001 1008 1227
"""
TAIFEX = """
2024 0101 0208 0209 0212 0213 0214 0228 0404 0405 0501 0610 0724 0725 0917 1003 1010 1031
2025 0101 0127 0128 0129 0130 0131 0228 0403 0404 0501 0530 0929 1006 1010 1024
2026 0101 0216 0217 0218 0219 0220 0227 0403 0406 0501 0619 0925 0928 1009 1026 1225
2027 0101 0205 0208 0209 0210 0211 0301 0405 0406 0430 0609 0915 1011 1025
"""


def dates(text: str) -> str:
    """`session_holidays` of a list of years with their days."""
    found = []
    for line in text.split("\n"):
        year, *days = line.split() or [""]
        found += [year + day for day in days]
    return ",".join(found)


def written(days: Iterable[date]) -> str:
    """`session_holidays` of days."""
    return ",".join(day.strftime("%Y%m%d") for day in sorted(set(days)))


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar."""
    golden, century = year % 19, year // 100
    epact = (century - century // 4 - (8 * century + 13) // 25 + 19 * golden + 15) % 30
    full = epact - epact // 28 * (1 - epact // 28 * (29 // (epact + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + full + 2 - century + century // 4) % 7
    offset = full - weekday
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))


def nth(year: int, month: int, weekday: int, number: int) -> date:
    """The `number`th of a weekday (Monday is 0) in a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def observed(day: date) -> date:
    """A holiday on a weekend is kept on the weekday next to it."""
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def thanksgiving(year: int) -> date:
    return nth(year, 11, 3, 4)


def us_traded_holidays(year: int) -> list[date]:
    """The US holidays, Thanksgiving apart, on which stocks rest and futures trade for a part of the day."""
    memorial = date(year, 5, 31) - timedelta(days=date(year, 5, 31).weekday())
    found = [nth(year, 1, 0, 3), nth(year, 2, 0, 3), memorial, observed(date(year, 7, 4)), nth(year, 9, 0, 1)]
    return sorted([*found, observed(date(year, 6, 19))] if year >= 2022 else found)


def us_holidays(year: int) -> frozenset[date]:
    """The closed weekdays of US exchanges, by the rules in force today."""
    new_year = date(year, 1, 1)
    closed = [easter(year) - timedelta(days=2), thanksgiving(year), observed(date(year, 12, 25))]
    if new_year.weekday() != 5:
        closed.append(observed(new_year))
    return frozenset([*us_traded_holidays(year), *closed])


def us_half_days(year: int) -> list[date]:
    """The days on which US exchanges close early: before Independence Day, after Thanksgiving, before Christmas."""
    eves = [date(year, 7, 3), date(year, 12, 24)]
    return [*(eve for eve in eves if eve.weekday() < 4), thanksgiving(year) + timedelta(days=1)]
