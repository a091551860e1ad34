"""Risk policies by name: files of data/risk/, and the one that is built in."""

from __future__ import annotations

from pathlib import Path

from trading_assets.errors import ConfigurationError
from trading_assets.risk.policies import BUILT_IN, RiskPolicy
from trading_assets.yaml_settings import read_settings


def load_risk_policy(path: Path) -> RiskPolicy:
    """The policy in the file at `path`.

    Raises ConfigurationError that lists every wrong key with its value and the rule it breaks.
    """
    policy = read_settings(path, RiskPolicy, example="data/risk/")
    if policy.id != path.stem:
        raise ConfigurationError(
            f"{path}: id {policy.id!r} must equal the file's name {path.stem!r}. Rename either."
        )
    if policy.id == BUILT_IN.id:
        raise ConfigurationError(
            f"{path}: id {BUILT_IN.id!r} is the name of the policy that needs no file. Rename it."
        )
    return policy


def risk_policy(name: str | None, folder: Path) -> RiskPolicy:
    """The policy called `name`: a file of `folder`, or the built-in one where `name` is None or its
    id.

    Raises ConfigurationError that lists the names there are.
    """
    if name is None or name == BUILT_IN.id:
        return BUILT_IN
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(found.stem for found in folder.glob("*.yaml"))
        raise ConfigurationError(
            f"risk policy {name!r} is not there: no file {path}. Known: "
            f"{', '.join([BUILT_IN.id, *known])}."
        )
    return load_risk_policy(path)
