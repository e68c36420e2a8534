"""Dagster asset checks, made from the table of questions.

Dagster reads the annotation of ``context`` itself, so annotations are not postponed here.
"""

from collections.abc import Iterable

import dagster as dg

from gim_data.ledger import Ledger
from gim_data.runner import Runner
from gim_data.stage import Stage
from orchestration.assets import units_of
from orchestration.partitions import partitions_of
from orchestration.soundness import QUESTIONS, Finding, Question


def build_checks(runner: Runner, questions: Iterable[Question] = QUESTIONS) -> list[dg.AssetChecksDefinition]:
    """The checks about stages of the runner's graph."""
    return [_check(runner, runner.graph[q.stage], q) for q in questions if q.stage in runner.graph]


def _check(runner: Runner, stage: Stage, question: Question) -> dg.AssetChecksDefinition:
    ledger = runner.ledger

    @dg.asset_check(
        asset=stage.name,
        name=question.name,
        blocking=question.blocking,
        description=question.doc,
        partitions_def=partitions_of(runner, stage),
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        findings = {unit: _ask(ledger, question, unit) for unit in units_of(context, stage.axis.name)}
        problems = {unit: finding.problem for unit, finding in findings.items() if finding.problem}
        numbers = {unit: dict(finding.numbers) for unit, finding in findings.items()}
        metadata = {"problems": dg.MetadataValue.json(problems), "numbers": dg.MetadataValue.json(numbers)}
        severity = dg.AssetCheckSeverity.ERROR if question.blocking else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(passed=not problems, severity=severity, metadata=metadata)

    return check


def _ask(ledger: Ledger, question: Question, unit: str) -> Finding:
    """The finding about one unit; a skipped unit has nothing in it to be wrong, and is left out downstream."""
    entry = ledger.read(question.stage, unit)
    if entry is None:
        return Finding("the unit is not made", {})
    return Finding("", {}) if entry.skipped else question.ask(ledger.folder(question.stage, unit))
