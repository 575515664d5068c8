"""A TradingView that runs on loopback: live quotes, history and a journal of what it sent."""

from tradingview_simulator.model.market import Market
from tradingview_simulator.quotes.frames import Frame, frames
from tradingview_simulator.server import Simulator, serve
from tradingview_simulator.settings import SimulatorSettings

__all__ = ["Frame", "Market", "Simulator", "SimulatorSettings", "frames", "serve"]
