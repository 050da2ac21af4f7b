"""A client of ours for the REST API: projects, sessions, a history, and an id that is unknown.

python rest_client.py USER:PASSWORD@HOST:PORT
"""

import sys
from typing import Any

import requests


class Refused(Exception):
    """An error response of the server."""


def get(address: str, *path: str) -> Any:
    answer = requests.get(f"http://{address}/api/{'/'.join(path)}", timeout=30).json()
    if not answer["success"]:
        raise Refused(answer["error"])
    return answer["data"]


def main(address: str) -> None:
    for project in get(address, "projects"):
        print("project:", project["path"])
        for session in get(address, "projects", project["id"], "sessions"):
            print("session:", session["id"], session["first_message"])
            history = get(address, "sessions", session["id"], "history", project["id"])
            print(history[1]["n"])
    try:
        get(address, "projects", "none", "sessions")
    except Refused as refused:
        print(refused)


if __name__ == "__main__":
    main(*sys.argv[1:])
