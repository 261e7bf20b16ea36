"""Reads a configuration file; what is wrong is told with its file, line and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from enoslib_nxc.errors import ConfigError


def read(path: Path) -> dict[str, object]:
    """Return the mapping that a YAML file holds, or JSON when its name ends in `.json`.

    Raises:
        ConfigError: it cannot be read, is neither, holds a key twice, or no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    given = _parse_json(path, text) if path.suffix == ".json" else _parse_yaml(path, text)
    if not isinstance(given, dict):
        raise ConfigError(
            f"{path}: line 1, column 1: not a mapping",
            resolution="write KEY: VALUE lines, such as roles: {server: 1}",
        )
    try:
        json.dumps(given, default=str, skipkeys=True)
    except ValueError:
        raise ConfigError(f"{path}: an alias (*) is part of what it stands for") from None
    return given


def _parse_json(path: Path, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path}: {place}: not JSON: {error.msg.lower()}") from None


def _parse_yaml(path: Path, text: str) -> object:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - derives from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError(f"{path}: {place}not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None


class _Loader(yaml.SafeLoader):
    """Refuses a key given twice: PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key is a list or a mapping", problem_mark=key.start_mark
                )
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(
                    problem=f"key {key.value} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
