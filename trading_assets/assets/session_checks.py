"""Asset checks with one result for each session, also when one run covers many sessions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

import dagster as dg

SHOWN_FAILURES = 20


@dataclass(frozen=True)
class Finding:
    """What a check saw in one session: actual against expected within a tolerance, as text."""

    session: dt.date
    passed: bool
    actual: str
    expected: str
    tolerance: str = "0"
    detail: str = ""


@dataclass
class SessionCheck:
    """One check of one asset, collecting a finding for each session of a run."""

    asset_key: dg.AssetKey
    name: str
    description: str
    blocking: bool = True
    findings: list[Finding] = field(default_factory=list)

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        """ERROR for a check that stops what comes after it, else WARN."""
        return dg.AssetCheckSeverity.ERROR if self.blocking else dg.AssetCheckSeverity.WARN

    def add(self, finding: Finding) -> dg.AssetCheckEvaluation:
        """Take a finding in; what it returns is to be yielded, so that Dagster stores it."""
        self.findings.append(finding)
        return dg.AssetCheckEvaluation(
            asset_key=self.asset_key,
            check_name=self.name,
            passed=finding.passed,
            severity=self.severity,
            blocking=self.blocking,
            partition=finding.session.isoformat(),
            description=f"{finding.session}: {finding.actual}",
            metadata=_texts(finding),
        )

    def result(self) -> dg.AssetCheckResult:
        """The run's one result: passed when every session passed.

        A run that ends before the check (it stopped after the plan) has not passed it, which is
        worth a warning and stops nothing.
        """
        if not self.findings:
            return dg.AssetCheckResult(
                asset_key=self.asset_key,
                check_name=self.name,
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                description="Not reached: the run ended before it.",
            )
        failed = [finding for finding in self.findings if not finding.passed]
        shown = (failed or self.findings)[:SHOWN_FAILURES]
        metadata: dict[str, dg.MetadataValue] = {
            "sessions": dg.MetadataValue.int(len(self.findings)),
            "failed_sessions": dg.MetadataValue.int(len(failed)),
        }
        if len(shown) == 1:
            metadata.update(_texts(shown[0]))
        elif failed:
            metadata["failures"] = dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {
                            "session": finding.session.isoformat(),
                            "actual": finding.actual,
                            "expected": finding.expected,
                            "tolerance": finding.tolerance,
                            "detail": finding.detail,
                        }
                    )
                    for finding in shown
                ]
            )
        return dg.AssetCheckResult(
            asset_key=self.asset_key,
            check_name=self.name,
            passed=not failed,
            severity=self.severity,
            metadata=metadata,
        )


def check_spec(check: SessionCheck) -> dg.AssetCheckSpec:
    """The declaration that goes with a check."""
    return dg.AssetCheckSpec(
        check.name,
        asset=check.asset_key,
        description=check.description,
        blocking=check.blocking,
    )


def results(*checks: SessionCheck) -> Iterator[dg.AssetCheckResult]:
    """The run's results of several checks."""
    for check in checks:
        yield check.result()


def _texts(finding: Finding) -> dict[str, dg.MetadataValue]:
    texts = {
        "actual": finding.actual,
        "expected": finding.expected,
        "tolerance": finding.tolerance,
    }
    if finding.detail:
        texts["detail"] = finding.detail
    # A code may be a member of a StrEnum, which Dagster cannot store.
    return {name: dg.MetadataValue.text(str(text)) for name, text in texts.items()}
