"""A client of HTTP made with httpx, for tests: `http_client.py VERSION CA`, VERSION is h1 or h2. It reads calls as lines
of JSON and writes what came of each as a line; tests/e2e/test_http_clients.py says what is in them.
"""

import asyncio
import base64
import json
import ssl
import sys

import httpx


async def pieces(call):
    body = base64.b64decode(call.get("body") or "")
    for at in range(0, len(body), 10_000):
        yield body[at:at + 10_000]
    while call.get("endless"):
        yield bytes(10_000)


def content(call):
    if call.get("streamed") or call.get("endless"):
        return pieces(call)
    return base64.b64decode(call["body"]) if call.get("body") else None


async def do(client, call):
    try:
        async with client.stream(call["method"], call["url"], headers=call["headers"], content=content(call)) as response:
            said = {"status": response.status_code, "headers": response.headers.multi_items()}
            if call.get("leave") == "head":
                return said
            return {**said, "body": base64.b64encode(b"".join([part async for part in response.aiter_raw()])).decode()}
    except Exception as error:    # whatever it is: the test says what it must not be
        return {"error": f"{type(error).__name__}: {error}"}


async def line():
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def one(client, call):
    if call.get("leave") == "told":
        task = asyncio.ensure_future(do(client, call))
        await line()
        task.cancel()
        await asyncio.wait([task])
        return {"error": "cancelled"} if task.cancelled() else task.result()
    said = await asyncio.gather(*(do(client, call) for _ in range(call.get("times", 1))))
    return next((other for other in said if other.get("status") != said[0].get("status")), said[0])


async def main():
    version, trust = sys.argv[1:]
    made = ssl.create_default_context(cafile=trust)
    async with httpx.AsyncClient(http1=version == "h1", http2=version == "h2", verify=made, trust_env=False, timeout=30) as client:
        while text := await line():
            print(json.dumps(await one(client, json.loads(text))), flush=True)


asyncio.run(main())
