"""A client of ours for commands on /ws/claude: one prompt, followed to the end of its turn.

python socket_client.py USER:PASSWORD@HOST:PORT FOLDER
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect

PROMPT = "Add a hello world function"
MODEL = "claude-3-5-sonnet-20241022"


async def main(address: str, folder: str) -> None:
    command = {"command_type": "execute", "project_path": folder, "prompt": PROMPT, "model": MODEL}
    async with connect(f"ws://{address}/ws/claude") as socket:
        print("open")
        await socket.send(json.dumps(command))
        async for text in socket:
            message = json.loads(text)
            match message["type"]:
                case "start":
                    print("start")
                case "output":
                    print("output:", json.loads(message["content"]))
                case "completion":
                    print("completion:", message["status"])
                    return
                case "error":
                    print("error:", message["message"])
                    return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
