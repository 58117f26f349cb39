"""Each role's own small web server: `/metrics`, `/livez`, `/readyz`, on loopback unless told otherwise."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from prometheus_client import generate_latest

EXPOSITION = "text/plain; version=0.0.4"


class BadBind(Exception):
    """A listen address is not `host:port`."""


def parse_bind(bind: str) -> tuple[str, int]:
    """Splits `host:port`; IPv6 hosts stand in brackets.

    Raises:
        BadBind: it is something else.
    """
    host, colon, port = bind.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - ports
        raise BadBind(f"{bind!r} is no listen address: write host:port, such as 127.0.0.1:9101")
    return host.strip("[]"), int(port)


@asynccontextmanager
async def health_server(bind: str, *, ready: Callable[[], bool], announce: Path | None = None) -> AsyncIterator[str]:
    """Serves until the block ends; yields the base URL.

    `announce` is a file that names the URL while the server runs, so that a free port (0) can be found by others.
    """
    host, port = parse_bind(bind)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": EXPOSITION})

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def readiness(_: web.Request) -> web.Response:
        return web.Response(text="ready\n") if ready() else web.Response(status=503, text="starting\n")

    app = web.Application(client_max_size=1024)
    app.add_routes([web.get("/metrics", metrics), web.get("/livez", live), web.get("/readyz", readiness)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound = runner.addresses[0][1]
    url = f"http://{host if ':' not in host else f'[{host}]'}:{bound}"
    if announce is not None:
        announce.parent.mkdir(parents=True, exist_ok=True)
        announce.write_text(json.dumps({"url": url}))
    try:
        yield url
    finally:
        if announce is not None:
            announce.unlink(missing_ok=True)
        await runner.cleanup()
