"""Name a device by its User-Agent header, such as "Chrome on Android", or as a person wants."""

MAX_CHARACTERS = 40

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("AppleWebKit/", "Home-screen app"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)
"""Checked in this order, because most user agents also name others for compatibility."""


def device(user_agent: str) -> str:
    """The browser and the system; for other programs their name, without the version."""
    browser = next((name for token, name in _BROWSERS if token in user_agent), "")
    system = next((name for token, name in _SYSTEMS if token in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    if browser or system:
        return browser or system
    program = user_agent[:200].partition("/")[0].strip()
    shown = "".join(each for each in program if each.isascii() and each.isprintable())
    return shown[:MAX_CHARACTERS] or "Unknown device"


def tidy_name(text: str) -> str:
    """A name that a person typed, on one line, without invisible characters; it may be empty."""
    shown = "".join(each if each.isprintable() else " " for each in text[: 20 * MAX_CHARACTERS])
    return " ".join(shown.split())[:MAX_CHARACTERS].strip()
