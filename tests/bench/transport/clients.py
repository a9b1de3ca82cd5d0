"""httpx and aiohttp, as their documentation shows them: clients.py CLIENT TEMPLATE TILES CONCURRENCY.

Prints seconds, CPU seconds and peak KiB, without the time that it takes to start Python."""

import asyncio
import resource
import sys
import time


async def with_httpx(urls, concurrency):
    import httpx

    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:

        async def fetch(url):
            answer = await client.get(url)
            answer.raise_for_status()
            return len(answer.content)

        await each(urls, concurrency, fetch)


async def with_aiohttp(urls, concurrency):
    import aiohttp

    connector = aiohttp.TCPConnector(limit=concurrency)
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, raise_for_status=True) as client:

        async def fetch(url):
            async with client.get(url) as answer:
                return len(await answer.read())

        await each(urls, concurrency, fetch)


async def each(urls, concurrency, fetch):
    places = asyncio.Semaphore(concurrency)

    async def one(url):
        async with places:
            length = await fetch(url)
        if length != 20 * 1024:
            sys.exit(f"{length} bytes")

    await asyncio.gather(*(one(url) for url in urls))


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), usage.ru_utime + usage.ru_stime


def peak_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


client, template, tiles, concurrency = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
clients = {"httpx": with_httpx, "aiohttp": with_aiohttp}
__import__(client)
urls = [template.format(z=12, x=number % 4096, y=number // 4096) for number in range(tiles)]
began = used()
asyncio.run(clients[client](urls, concurrency))
ended = used()
print(ended[0] - began[0], ended[1] - began[1], peak_kib())
