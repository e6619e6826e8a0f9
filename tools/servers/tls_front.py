"""Speaks TLS for a server that does not: `tls_front.py PORT TARGET CERTIFICATE KEY`, all on 127.0.0.1.

A process of its own. Every byte is handed on, both ways; when one side ends, so does the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from functools import partial

_CHUNK = 1 << 16  # bytes


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
    target.close()


async def _serve(target: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", target)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_pump(reader, behind_writer), _pump(behind_reader, writer))


async def main() -> None:
    """Serve until killed."""
    port, target, certificate, key = sys.argv[1:]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(partial(_serve, int(target)), "127.0.0.1", int(port), ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
