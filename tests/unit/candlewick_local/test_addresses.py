"""Ports and the addresses that they make."""

import pytest

from candlewick_local.addresses import DEFAULTS, addresses, choose_ports
from candlewick_local.errors import Refusal


def test_every_port_has_a_default_of_its_own() -> None:
    assert choose_ports({}, free=False) == DEFAULTS
    assert len(set(DEFAULTS.values())) == len(DEFAULTS)


def test_a_given_port_is_taken_and_the_others_stay() -> None:
    assert choose_ports({"API_PORT": "9000"}, free=False) == {**DEFAULTS, "API_PORT": 9000}


def test_an_empty_variable_counts_as_absent() -> None:
    assert choose_ports({"API_PORT": ""}, free=False)["API_PORT"] == DEFAULTS["API_PORT"]


def test_free_ports_fill_in_for_those_that_are_not_given() -> None:
    ports = choose_ports({"API_PORT": "9000"}, free=True)
    assert ports["API_PORT"] == 9000
    assert len(set(ports.values())) == len(DEFAULTS)
    assert not set(ports.values()) & set(DEFAULTS.values())


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "80.5", "٣"])
def test_what_is_no_port_is_refused_by_the_name_of_its_variable(text: str) -> None:
    with pytest.raises(Refusal, match="KAFKA_PORT is "):
        choose_ports({"KAFKA_PORT": text}, free=False)


def test_tradingview_is_the_simulator_unless_a_feed_is_named() -> None:
    ours = addresses(DEFAULTS, "mongodb://there", {"TRADINGVIEW_HTTP_URL": "http://elsewhere"})
    assert ours.tradingview == "ws://127.0.0.1:8765/socket.io/websocket"
    assert ours.tradingview_http == "http://127.0.0.1:8766"


def test_a_named_feed_is_used_as_it_is() -> None:
    named = addresses(DEFAULTS, "mongodb://there", {"TRADINGVIEW_URL": "wss://feed"})
    assert named.tradingview == "wss://feed"
    assert named.tradingview_http == ""
