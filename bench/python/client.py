"""For comparison in the benchmarks: the loop of the tutorials, with `websockets` and `json`; counts only.

In: URL, first text to send (may be empty) · Out: counts on stdout · Thread: the event loop.
"""

import asyncio
import json
import sys
import time
from collections import Counter

import websockets


async def main(url, first):
    counts = Counter()
    async with websockets.connect(url, max_size=None, ping_interval=None) as socket:
        if first:
            await socket.send(first)
        async for message in socket:
            frame = json.loads(message)
            if "topicName" in frame:
                body = frame["eventBody"]
                counts["conversation" if "participants" in body else "observation"] += 1
            elif frame.get("type") == "event":
                counts[frame["event"]["type"]] += 1
            elif "metricType" in frame:
                counts[frame["metricType"]] += 1
    print("counted", sum(counts.values()), time.time_ns(), flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
