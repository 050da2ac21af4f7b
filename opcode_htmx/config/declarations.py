"""Declared settings: models whose fields are environment variables, read from a mapping.

Knows no variable's name, and reads neither os.environ nor a .env file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "OPCODE_"

_WORD = re.compile(r"[A-Z]+[^A-Z]*")
"""A word in the name of a class."""


class SettingsError(Exception):
    """A setting that cannot be used; the message is one sentence that names the variable."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable of a model, with its default as a person would write it."""

    name: str
    default: str
    meaning: str
    field: str


def setting(default: str, meaning: str, *, name: str | None = None, secret: bool = False) -> Any:
    """A field that is read from the environment.

    `default` is parsed like a value that a person gives. `meaning` is one line, with which the row
    of docs/configuration.md begins. `name` is the variable's; without it, the model's prefix and
    the field's name make it. A secret is left out of the repr.
    """
    return Field(default, validation_alias=name, description=meaning, repr=not secret)


class DeclaredSettings(BaseSettings):
    """An immutable value, read from the environment variables that its fields declare.

    Types come from `config.values`, or are any that pydantic can make of a text. The validator of
    a field raises ValueError with the end of a sentence that begins with the variable's name; the
    validator of a whole model, with a whole sentence. Neither has a full stop.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    home: Path
    """The home folder, for paths that begin with `~`; no setting, but validated before them."""

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        # Given sources, pydantic-settings makes none of its own, which would read os.environ.
        super().__init__(_build_sources=((_MappingSource(type(self), environ, home),), {}))

    @classmethod
    def read(cls, environ: Mapping[str, str], home: Path) -> Self:
        """The settings that `environ` holds. Raises SettingsError for the first unusable value."""
        try:
            return cls(environ, home)
        except ValidationError as error:
            # Without its cause, which holds the value that was refused: it may be a secret.
            raise SettingsError(cls._sentence(error.errors()[0])) from None

    @classmethod
    def variables(cls) -> tuple[Variable, ...]:
        """Every variable that the model declares, in the order of the fields."""
        return tuple(
            Variable(_variable_name(cls, key), field.default, field.description, key)
            for key, field in cls.model_fields.items()
            if field.description
        )

    @classmethod
    def _sentence(cls, error: ErrorDetails) -> str:
        cause = error.get("ctx", {}).get("error")
        if not error["loc"]:
            return f"{cause}."
        # pydantic names a field by its alias, if it has one, which is the variable's name.
        place = str(error["loc"][0])
        name = _variable_name(cls, place) if place in cls.model_fields else place
        if isinstance(cause, ValueError):
            return f"{name} {cause}."
        message = error["msg"]
        return f"{name} cannot be used: {message[:1].lower()}{message[1:]}."


class FeatureSettings(DeclaredSettings):
    """The settings of one feature, declared in its folder.

    An example, which reads OPCODE_HELLO_GREETING and OPCODE_HELLO_INTERVAL:

        class HelloSettings(FeatureSettings):
            greeting: str = setting("hello", "The word to greet with.")
            interval: values.Seconds = setting("5m", "How long until the next greeting.")

    The class argument `env_prefix` gives another prefix, `name` of a setting a whole other name.
    Every name begins with OPCODE_: such variables are kept from Claude.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for key, field in cls.model_fields.items():
            if key in FeatureSettings.model_fields:
                continue
            if not field.description or not isinstance(field.default, str):
                raise TypeError(f"{cls.__name__}.{key} must be declared with setting()")
            if not _variable_name(cls, key).startswith(PREFIX):
                raise TypeError(f"{cls.__name__}.{key} must have a name that begins with {PREFIX}")


class _MappingSource(PydanticBaseSettingsSource):
    """The texts of a mapping, by the names of a model's variables; an empty one counts as unset."""

    def __init__(
        self, model: type[DeclaredSettings], environ: Mapping[str, str], home: Path
    ) -> None:
        super().__init__(model)
        self._variables = model.variables()
        self._environ = environ
        self._home = home

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The text or None, the key for the model's input, and that the text is not JSON."""
        text = self._environ.get(_variable_name(self.settings_cls, field_name), "")
        key = field.validation_alias if isinstance(field.validation_alias, str) else field_name
        return text if text.strip() else None, key, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {"home": self._home}
        for variable in self._variables:
            field = self.settings_cls.model_fields[variable.field]
            text, key, _ = self.get_field_value(field, variable.field)
            if text is not None:
                found[key] = text
        return found


def _variable_name(model: type[BaseSettings], field_name: str) -> str:
    """The environment variable of a field: its alias, or the model's prefix and its own name."""
    alias = model.model_fields[field_name].validation_alias
    if isinstance(alias, str):
        return alias
    prefix = model.model_config.get("env_prefix")
    if not prefix:
        words = _WORD.findall(model.__name__.removesuffix("Settings"))
        prefix = f"{PREFIX}{'_'.join(words)}_"
    return f"{prefix}{field_name}".upper()
