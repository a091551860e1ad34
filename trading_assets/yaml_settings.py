"""A YAML file of settings to a validated record: numbers as they are spelled, mistakes explained.

Numbers are taken by their decimal spelling, never through binary floats. An unknown key, or one
that is written twice, is an error, not a silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from trading_assets.errors import ConfigurationError

SettingsT = TypeVar("SettingsT")


def read_settings(
    path: Path, kind: type[SettingsT], *, example: str, context: Mapping[str, Any] | None = None
) -> SettingsT:
    """The content of the file at `path` as a `kind` (a pydantic model, or a type of such).

    `example` is the folder that holds examples, named where settings are wrong, `context` what
    validators of the model may ask for. Raises ConfigurationError that lists every wrong key with
    its value and the rule it breaks.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_ExactLoader)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}).") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}, {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: must be a mapping of settings, see {example}.")
    try:
        return TypeAdapter(kind).validate_python(content, context=context)
    except ValidationError as error:
        raise ConfigurationError(_explain(path, error, example)) from error


class SpelledNumber(str):
    """A number with a fraction as it is spelled: no float can hold 0.1."""

    __slots__ = ()


def plain_numbers(value: Any) -> Any:
    """`value` with each number with a fraction in it as a float, for code that is not about money:
    a strategy's parameters."""
    if isinstance(value, SpelledNumber):
        return float(value)
    if isinstance(value, Mapping):
        return {key: plain_numbers(one) for key, one in value.items()}
    return [plain_numbers(one) for one in value] if isinstance(value, list) else value


class _ExactLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice, which YAML would let the last one win."""

    def construct_spelled_float(self, node: yaml.ScalarNode) -> SpelledNumber:
        """Numbers with a fraction stay as they are spelled."""
        return SpelledNumber(str(self.construct_scalar(node)).replace("_", ""))

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise ConfigurationError(
                    f"line {node.start_mark.line + 1}: key {key!r} is written twice. Keep one."
                )
        return super().construct_mapping(node, deep=deep)


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _ExactLoader.construct_spelled_float)


_SECRET_NAME = re.compile("key|secret|password|token", re.IGNORECASE)


def _explain(path: Path, error: ValidationError, example: str) -> str:
    problems = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
        value = problem["input"]
        # Somebody may have written a key into the file, and messages end up in logs.
        is_shown = not isinstance(value, dict | list) and not _SECRET_NAME.search(key)
        shown = f" {value!r}" if is_shown else ""
        problems.append(f"  {key}:{shown} {problem['msg']}")
    wrong = f"{path}: {len(problems)} setting(s) wrong:"
    return "\n".join([wrong, *problems, f"Correct them as in the files of {example}."])
