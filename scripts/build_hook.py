"""The build hook of the wheel: installs the browser files before they are packed."""

import sys
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BrowserFilesHook(BuildHookInterface[BuilderConfig]):
    """Fetches the pinned browser files if they are missing; FetchError ends the build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sys.path.insert(0, self.root)
        from scripts import browser_files

        browser_files.ensure(browser_files.SERVED)
