"""Settings from made-up variables."""

from pathlib import Path

from opcode_htmx.app import feature_settings
from opcode_htmx.config.settings import Settings


def read(home: Path, **environ: str) -> Settings:
    return Settings.from_env({"HOME": str(home), **environ}, feature_settings.load())


def chosen(settings: Settings) -> dict[str, object]:
    """All values but the environment that Claude is started with."""
    return {**vars(settings), "child_environment": None}
