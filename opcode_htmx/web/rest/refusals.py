"""What the description of the API says about refusals that several features make."""

from __future__ import annotations

NO_BYPASS = "Bypass mode is not allowed on this server."
UNTRUSTED = "The files of the project would run what nobody has trusted: then “trust” has the list."
UNTRUSTED_OR_SPENT = f"{UNTRUSTED} Or a budget is used up."
