"""An address where nobody listens until the test says so; then it leads to the real part."""

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from candlewick_local.ports import free_ports


class Relay:
    """A port of loopback that refuses connections until `open`, which forwards them to the host and port of a URL."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url if "://" in url else f"//{url}")
        assert target.hostname
        assert target.port
        self._host, self._port = target.hostname, target.port
        (self.port,) = free_ports(1)
        self.url = url.replace(f"{self._host}:{self._port}", f"127.0.0.1:{self.port}")
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def open(self) -> None:
        """Begin to listen."""
        server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self._stack.callback(server.close)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        try:
            await asyncio.gather(_pour(reader, there_writer), _pour(there_reader, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            there_writer.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
