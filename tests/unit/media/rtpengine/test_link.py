"""The link to an rtpengine that is there, is gone, and is there again."""

from __future__ import annotations

import asyncio

from media.rtpengine.link import RtpengineLink
from tests.support.ng_server import NgServer
from tests.support.patience import PATIENCE


async def test_that_nobody_listens_any_more_is_known_before_the_time_out() -> None:
    """So is that one has been started again, which a ping sent again finds."""
    server = await NgServer().start()
    told: asyncio.Queue[bool] = asyncio.Queue()
    link = RtpengineLink("127.0.0.1", server.port, timeout=600.0, ping=0.05, on_change=told.put_nowait)
    try:
        async with asyncio.timeout(10 * PATIENCE):
            await link.open()
            assert await told.get()
            port = server.port
            server.close()
            assert not await told.get()
            server = await NgServer().start(port)
            assert await told.get()
    finally:
        link.close()
        server.close()
