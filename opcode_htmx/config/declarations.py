"""Declared settings: models whose fields are environment variables, read from a mapping.

Knows no variable's name, and reads neither os.environ nor a .env file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

PREFIX = "OPCODE_"

_WORD = late_pattern(r"[A-Z]+[^A-Z]*")
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


class DeclaredSettings(BaseModel):
    """An immutable value, read from the environment variables that its fields declare.

    Types come from `config.values`, or are any that pydantic can make of a text. The validator of
    a field raises ValueError with the end of a sentence that begins with the variable's name; the
    validator of a whole model, with a whole sentence. Neither has a full stop.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    _prefix: ClassVar[str]

    home: Path
    """The home folder, for paths that begin with `~`; no setting, but validated before them."""

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        super().__init__(home=home, **self._texts(environ))

    def __init_subclass__(cls, env_prefix: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        words = _WORD.findall(cls.__name__.removesuffix("Settings"))
        cls._prefix = env_prefix or f"{PREFIX}{'_'.join(words)}_"

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
            Variable(cls._variable_name(key), field.default, field.description, key)
            for key, field in cls.model_fields.items()
            if field.description
        )

    @classmethod
    def _texts(cls, environ: Mapping[str, str]) -> dict[str, str]:
        """The texts that are set, by the keys of the model's input; an empty one is not set."""
        found = {}
        for variable in cls.variables():
            text = environ.get(variable.name, "")
            if text.strip():
                found[cls._key(variable.field)] = text
        return found

    @classmethod
    def _key(cls, field_name: str) -> str:
        """The key of a field in the model's input: its alias or its own name."""
        alias = cls.model_fields[field_name].validation_alias
        return alias if isinstance(alias, str) else field_name

    @classmethod
    def _variable_name(cls, field_name: str) -> str:
        """The environment variable of a field: its alias, or the prefix and the field's name."""
        key = cls._key(field_name)
        return key if key != field_name else f"{cls._prefix}{field_name}".upper()

    @classmethod
    def _sentence(cls, error: ErrorDetails) -> str:
        cause = error.get("ctx", {}).get("error")
        if not error["loc"]:
            return f"{cause}."
        # pydantic names a field by its alias, if it has one, which is the variable's name.
        place = str(error["loc"][0])
        name = cls._variable_name(place) if place in cls.model_fields else place
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
            if not cls._variable_name(key).startswith(PREFIX):
                raise TypeError(f"{cls.__name__}.{key} must have a name that begins with {PREFIX}")
