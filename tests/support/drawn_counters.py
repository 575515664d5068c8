"""Drawn counters whose truth is known by construction: what each minute really traded."""

import random

from contracts.intervals import MINUTE
from tests.support.counter_cases import MIDNIGHT, SECOND, SYMBOL, Case, Expected, Script


def drawn_case(seed: int) -> Case:
    """A counter round the clock over a midnight, drawn so that what each minute traded is known by construction.

    One observation a second or two, and in the quiet middle of a minute now and then: a spike of one observation, an
    older update in between, a correction, a hand-over to an epoch that is behind. After midnight the old total goes on,
    and may grow, for up to 45 s.
    """
    rnd = random.Random(seed)
    script = Script(MIDNIGHT - 4 * MINUTE)
    start = MIDNIGHT - 3 * MINUTE
    total = float(rnd.randrange(20_000, 30_000))
    script.see(start - SECOND, total, is_baseline=True)
    traded: dict[int, float] = {}
    resets_at = MIDNIGHT + rnd.choice((0, 50, 1_000, 20_000, 45_000))
    today = 0.0
    is_reset = False
    epoch = 1
    at = start
    while at < MIDNIGHT + 4 * MINUTE:
        minute = at - at % MINUTE
        moved = float(rnd.randrange(1, 50)) / 4
        is_waiting = at >= MIDNIGHT and not is_reset
        today += moved if at >= MIDNIGHT else 0
        if is_waiting and at < resets_at:
            moved = rnd.choice((0.0, moved))
        if is_waiting and at >= resets_at:
            is_reset, total, moved = True, today, today
        else:
            total += moved
        traded[minute] = traded.get(minute, 0.0) + moved
        script.see(at, total, epoch=epoch, estimated=is_waiting and rnd.random() < 0.5)
        if 10 * SECOND < at % MINUTE < 40 * SECOND and not (MIDNIGHT - MINUTE <= at < MIDNIGHT + MINUTE):
            total, epoch, at = _disturbed(script, rnd, total, epoch, at, traded)
        at += rnd.choice((1, 1, 2)) * SECOND
    expected = {("1m", minute): Expected(volume) for minute, volume in traded.items()}
    return Case(f"Drawn by {seed}", script.close(epoch), expected)


def _disturbed(
    script: Script, rnd: random.Random, total: float, epoch: int, at: int, traded: dict[int, float]
) -> tuple[float, int, int]:
    """Perhaps something happens: the total, the epoch and the time after it."""
    minute, chance = at - at % MINUTE, rnd.random()
    if chance < 0.05:
        script.see(at + SECOND, total + rnd.choice((0.25, 1_000.0, 1e12)), epoch=epoch)
        script.see(at + 2 * SECOND, total + 0.125, epoch=epoch)
        traded[minute] += 0.125
        return total + 0.125, epoch, at + 2 * SECOND
    if chance < 0.10:
        script.see(at + SECOND, total + 20, epoch=epoch)
        script.see(at + 2 * SECOND, rnd.choice((total - 100, total + 10)), epoch=epoch)
        script.see(at + 3 * SECOND, total + 20, epoch=epoch)
        script.see(at + 4 * SECOND, total + 21, epoch=epoch)
        traded[minute] += 21
        return total + 21, epoch, at + 4 * SECOND
    if chance < 0.12 and total > 1_000:
        script.see(at + SECOND, total - 500, epoch=epoch)
        script.see(at + 2 * SECOND, total - 499, epoch=epoch)
        traded[minute] += 1
        return total - 499, epoch, at + 2 * SECOND
    if chance < 0.15:
        return _hand_over(script, rnd, total, epoch, at, traded)
    return total, epoch, at


def _hand_over(
    script: Script, rnd: random.Random, total: float, epoch: int, at: int, traded: dict[int, float]
) -> tuple[float, int, int]:
    """For five seconds two epochs show one unit a second, the new one up to three seconds later."""
    behind = rnd.randrange(4)
    minute = at - at % MINUTE
    shown = [total] * behind + [total + second for second in range(20)]
    for second in range(1, 6):
        script.see(at + second * SECOND, total + second, epoch=epoch)
        script.see(at + (second - behind) * SECOND, shown[second], epoch=epoch + 1, is_baseline=second == 1,
                   received=at + second * SECOND + 60, is_marked=second > 1)  # fmt: skip
        if second == 1:
            script.put_mark(at + SECOND + 60, epoch + 1, (SYMBOL, "covered", at + SECOND + 60))
    if rnd.random() < 0.5:
        script.put_mark(at + 5 * SECOND + 70, epoch, ("*", "uncovered", at + 5 * SECOND + 70))
    for second in range(6, 12):
        script.see(at + (second - behind) * SECOND, shown[second], epoch=epoch + 1,
                   received=at + second * SECOND + 60)  # fmt: skip
    traded[minute] += shown[11] - total
    return shown[11], epoch + 1, at + 11 * SECOND
