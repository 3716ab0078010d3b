"""Reading an environment: the variables that are settings, the files they name, and the ones nobody knows."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_settings import EnvSettingsSource

from gateway.settings.note import PREFIX, note_of, variable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic_settings import BaseSettings

FILE_SUFFIX = "_FILE"
"""Behind the name of a secret: the variable that names a file instead, as container orchestrators mount them."""

MAX_SECRET_FILE_BYTES = 64 * 1024
"""No secret is longer; a path that names something else by mistake is not read into memory."""


class Environment(NamedTuple):
    """What an environment says.

    Attributes:
        values: raw values by field name.
        unknown: a sentence for each variable with the prefix that is no setting.
        problems: a sentence for each secret that cannot be read from its file.
    """

    values: dict[str, Any]
    unknown: tuple[str, ...]
    problems: tuple[str, ...]


def read_environment(model: type[BaseSettings], environ: Mapping[str, str], *, skip: Collection[str]) -> Environment:
    """Read a settings model's variables; an empty variable counts as not set.

    Args:
        model: the settings class.
        environ: variables by name.
        skip: fields that are given otherwise: their variables and files are not looked at.
    """
    source = EnvSettingsSource(model)
    # The source would read the process' environment; names in lower case are what it looks up.
    source.env_vars = {name.lower(): value for name, value in environ.items() if value}
    values = {name: value for name, value in source().items() if name not in skip}
    secrets = [name for name, field in model.model_fields.items() if note_of(field).secret]
    problems = []
    for name in secrets:
        path = environ.get(variable(name) + FILE_SUFFIX)
        if not path or name in skip:
            continue
        if name in values:
            problems.append(f"{variable(name)} and {variable(name)}{FILE_SUFFIX} are both set: keep one of them")
            continue
        try:
            values[name] = read_secret(path)
        except ValueError as error:
            problems.append(f"{variable(name)}{FILE_SUFFIX}: {error}")
    known = {variable(name) for name in model.model_fields} | {variable(name) + FILE_SUFFIX for name in secrets}
    return Environment(values, _unknown(environ, known), tuple(problems))


def read_secret(path: str) -> str:
    """The secret that a file holds, without the newline at its end.

    Raises:
        ValueError: it cannot be read, is empty or too long, or is no text; the text names the path and no secret.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_SECRET_FILE_BYTES + 1)
        text = data.decode()
    except OSError as error:
        raise ValueError(f"cannot read {path!r} ({error.strerror}); expected a readable file") from None
    except ValueError:  # not UTF-8, or a NUL in the path
        raise ValueError(f"{path!r} does not hold UTF-8 text; expected the secret as text") from None
    if len(data) > MAX_SECRET_FILE_BYTES:
        raise ValueError(f"{path!r} holds over {MAX_SECRET_FILE_BYTES} bytes; expected one secret")
    # Editors and `echo` end a file with a newline; it is not part of the secret.
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"{path!r} is empty; expected a secret")
    return text


def _unknown(environ: Mapping[str, str], known: Collection[str]) -> tuple[str, ...]:
    sentences = []
    for name in sorted(environ):
        # The variables' names are read in any case, as the library does.
        if not name.upper().startswith(PREFIX) or name.upper() in known:
            continue
        near = get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.75)
        sentences.append(f"{name} is not a setting" + (f": did you mean {near[0]}?" if near else ""))
    return tuple(sentences)
