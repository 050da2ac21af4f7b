"""GitHub as the real `gh` sees it: the parts of its API that pull requests need, on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.outside.tls_proxy import Asked, TlsProxy, serving

TOKEN = "gho-t0p-secret"
ADDRESS = "https://github.com/a/b/pull/7"
_OPERATION = re.compile(r"^\s*(?:query|mutation) (\w+)", re.MULTILINE)


@dataclass
class GitHub:
    """The repository a/b; `created` is the input of the pull request that was opened."""

    variables: dict[str, str] = field(default_factory=dict)
    """The environment that sends `gh` here, with a login."""
    token: str = TOKEN
    """The one that is accepted."""
    state: str = "OPEN"
    created: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    """What GitHub says instead of opening one."""
    asked: list[str] = field(default_factory=list)
    """The names of the operations."""

    def answer(self, asked: Asked) -> tuple[str, bytes]:
        if asked.headers.get("authorization") != f"token {self.token}":
            return "401 Unauthorized", json.dumps({"message": "Bad credentials"}).encode()
        if asked.path != "/graphql":
            return "404 Not Found", b"{}"
        content = json.loads(asked.body)
        found = _OPERATION.search(content["query"])
        name = found[1] if found else ""
        self.asked.append(name)
        return "200 OK", json.dumps(self._result(name, content.get("variables", {}))).encode()

    def _result(self, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        if name == "RepositoryInfo":
            return {"data": {"repository": _REPOSITORY}}
        if name == "PullRequestForBranch":
            return {"data": {"repository": {"pullRequests": {"nodes": []}}}}
        if name == "PullRequestCreate":
            if self.problem:
                return {"data": None, "errors": [{"message": self.problem}]}
            self.created = variables["input"]
            made = {"pullRequest": {"id": "PR_7", "url": ADDRESS}}
            return {"data": {"createPullRequest": made}}
        if name == "PullRequestByNumber" and variables["pr_number"] == 7:
            return {"data": {"repository": {"pullRequest": self._pull_request()}}}
        return {"data": None, "errors": [{"message": f"Could not resolve {name}"}]}

    def _pull_request(self) -> dict[str, Any]:
        checks = [
            {"__typename": "CheckRun", "status": "COMPLETED", "conclusion": "SUCCESS"},
            {"__typename": "StatusContext", "state": "PENDING"},
        ]
        rollup = {"contexts": {"nodes": checks, "pageInfo": {"hasNextPage": False}}}
        return {
            "id": "PR_7",
            "number": 7,
            "url": ADDRESS,
            "title": self.created.get("title", "Prune"),
            "state": self.state,
            "isDraft": False,
            "reviewDecision": "REVIEW_REQUIRED",
            "statusCheckRollup": {"nodes": [{"commit": {"statusCheckRollup": rollup}}]},
        }


_REPOSITORY = {
    "id": "R_1",
    "name": "b",
    "owner": {"login": "a"},
    "viewerPermission": "WRITE",
    "defaultBranchRef": {"name": "main"},
    "parent": None,
}


@contextmanager
def github(folder: Path) -> Iterator[GitHub]:
    """`folder` gets the certificates."""
    found = GitHub()
    proxy = TlsProxy(folder, ("api.github.com",), found.answer)
    found.variables = {
        "HTTPS_PROXY": proxy.address,
        "SSL_CERT_FILE": str(proxy.authority),
        "GH_TOKEN": TOKEN,
    }
    with serving(proxy):
        yield found
