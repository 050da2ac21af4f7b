"""Declared settings: models whose fields are environment variables, read from a mapping.

Knows no variable's name, and reads neither os.environ nor a .env file. pydantic, which would be a
seventh of a start, is imported only for types and texts that are rare in settings.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self, get_args, get_type_hints

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

PREFIX = "OPCODE_"

_WORD = late_pattern(r"[A-Z]+[^A-Z]*")
"""A word in the name of a class."""

_SWITCHES = {"1": True, "0": False}


class SettingsError(Exception):
    """A setting that cannot be used; the message is one sentence that names the variable."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable of a model, with its default as a person would write it."""

    name: str
    default: str
    meaning: str
    field: str


@dataclass(frozen=True, slots=True)
class Parser:
    """In the annotation of a field: how its value is made of a text.

    `parse` raises ValueError with the end of a sentence that begins with the variable's name,
    without a full stop. It is given the text, or, for one that `needs_others`, the text and the
    values of the fields before by their names; `home` is the first of these.
    """

    parse: Callable[..., Any]
    needs_others: bool = False


@dataclass(frozen=True, slots=True)
class _Setting:
    """What `setting` declares."""

    default: str
    meaning: str
    name: str | None
    is_secret: bool


def setting(default: str, meaning: str, *, name: str | None = None, secret: bool = False) -> Any:
    """A field that is read from the environment.

    `default` is parsed like a value that a person gives. `meaning` is one line, with which the row
    of docs/configuration.md begins. `name` is the variable's; without it, the model's prefix and
    the field's name make it. A secret is left out of the repr.
    """
    return _Setting(default, meaning, name, secret)


class DeclaredSettings:
    """An immutable value, read from the environment variables that its fields declare.

    Types come from `config.values`, have a `Parser` in their annotation, or are any that pydantic
    can make of a text.
    """

    _prefix: ClassVar[str]
    _declared: ClassVar[dict[str, _Setting]] = {}
    """By the name of the field."""

    home: Path
    """The home folder, for paths that begin with `~`; no setting, but known to their parsers."""

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        found: dict[str, Any] = {"home": home}
        types = get_type_hints(type(self), include_extras=True)
        for variable in self.variables():
            text = environ.get(variable.name, "")  # an empty one is not set
            used = text if text.strip() else variable.default
            try:
                found[variable.field] = _parsed(types[variable.field], used, found)
            except ValueError as error:
                # Without its cause, which may hold the value that was refused: maybe a secret
                raise SettingsError(f"{variable.name} {error}.") from None
        self.__dict__.update(found)
        try:
            self.check()
        except ValueError as error:
            raise SettingsError(f"{error}.") from None

    def __init_subclass__(cls, env_prefix: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        words = _WORD.findall(cls.__name__.removesuffix("Settings"))
        cls._prefix = env_prefix or f"{PREFIX}{'_'.join(words)}_"
        own = {key: each for key, each in vars(cls).items() if isinstance(each, _Setting)}
        for key in own:
            delattr(cls, key)
        cls._declared = {**cls._declared, **own}

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = (f"{key}={each!r}" for key, each in vars(self).items() if self._is_shown(key))
        return f"{type(self).__name__}({', '.join(shown)})"

    def check(self) -> None:
        """Raise ValueError, with a sentence, for values that do not fit together."""

    @classmethod
    def read(cls, environ: Mapping[str, str], home: Path) -> Self:
        """The settings that `environ` holds. Raises SettingsError for the first unusable value."""
        return cls(environ, home)

    def with_values(self, **changes: object) -> Self:
        """The same settings but for some values, by their fields, which nobody checks."""
        made = object.__new__(type(self))
        made.__dict__.update({**vars(self), **changes})
        return made

    @classmethod
    def variables(cls) -> tuple[Variable, ...]:
        """Every variable that the model declares, in the order of the fields."""
        return tuple(
            Variable(each.name or f"{cls._prefix}{key}".upper(), each.default, each.meaning, key)
            for key, each in cls._declared.items()
        )

    @classmethod
    def is_secret(cls, field: str) -> bool:
        """Whether a field is declared as a secret."""
        declared = cls._declared.get(field)
        return declared is not None and declared.is_secret

    @classmethod
    def _is_shown(cls, field: str) -> bool:
        return not cls.is_secret(field)


def _parsed(kind: Any, text: str, others: Mapping[str, Any]) -> Any:
    """The value of a type, which may be annotated with a Parser. Raises ValueError."""
    for each in get_args(kind)[1:]:
        if isinstance(each, Parser):
            return each.parse(text, others) if each.needs_others else each.parse(text)
    if kind is str:
        return text
    if kind is bool and text in _SWITCHES:
        return _SWITCHES[text]
    if kind is int and text.isascii() and text.isdecimal():
        return int(text)
    return _parsed_by_pydantic(kind, text)


def _parsed_by_pydantic(kind: Any, text: str) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise ValueError(f"cannot be used: {message[:1].lower()}{message[1:]}") from None


class FeatureSettings(DeclaredSettings):
    """The settings of one feature, declared in its folder.

    An example, which reads OPCODE_HELLO_GREETING and OPCODE_HELLO_INTERVAL:

        class HelloSettings(FeatureSettings):
            greeting: str = setting("hello", "The word to greet with.")
            interval: values.Seconds = setting("5m", "How long until the next greeting.")

    The class argument `env_prefix` gives another prefix, `name` of a setting a whole other name.
    Every name begins with OPCODE_: such variables are kept from Claude.
    """

    def __init_subclass__(cls, env_prefix: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(env_prefix, **kwargs)
        for key in cls.__annotations__:
            if key not in cls._declared:
                raise TypeError(f"{cls.__name__}.{key} must be declared with setting()")
        for variable in cls.variables():
            if not variable.name.startswith(PREFIX):
                raise TypeError(
                    f"{cls.__name__}.{variable.field} must have a name that begins with {PREFIX}"
                )
