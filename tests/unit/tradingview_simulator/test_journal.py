"""The journal: pages, filters, and what the ring let go."""

from tradingview_simulator.journal import Journal, Sent


def journal_of(count: int, limit: int) -> Journal:
    journal = Journal(limit)
    for number in range(1, count + 1):
        symbol = "A:EVEN" if number % 2 == 0 else "A:ODD"
        journal.record(1, 1_000 + number, Sent(symbol, {"lp": number}, number, snapshot=False))
    return journal


def numbers(page: dict[str, object]) -> list[int]:
    entries = page["entries"]
    assert isinstance(entries, list)
    return [entry["number"] for entry in entries]


def test_a_page_goes_on_after_a_number() -> None:
    page = journal_of(10, 100).page(4, 3, None)
    assert numbers(page) == [5, 6, 7]
    assert (page["next"], page["last"], page["dropped"]) == (7, 10, 0)


def test_one_symbol_is_read_without_the_others_and_paging_passes_them() -> None:
    page = journal_of(9, 100).page(0, 100, "A:EVEN")
    assert numbers(page) == [2, 4, 6, 8]
    assert page["next"] == 9


def test_what_the_ring_let_go_is_counted() -> None:
    page = journal_of(10, 4).page(2, 100, None)
    assert numbers(page) == [7, 8, 9, 10]
    assert page["dropped"] == 4


def test_an_empty_journal_has_an_empty_page() -> None:
    assert Journal(4).page(0, 10, None) == {"entries": [], "next": 0, "last": 0, "dropped": 0}
