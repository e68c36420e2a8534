"""``gim doctor``: what is wrong with this installation, and the remedy."""

from __future__ import annotations

import typer
from rich.markup import escape

from gim_data.errors import GimError
from orchestration.commands.common import out, root_of


def doctor(context: typer.Context) -> None:
    """Check the installation, and print remedies.

    Looks at Python, torch, Dagster, DVC, teacher weights, video decoding, disk space and the parameters.
    """
    from orchestration.doctor import examine

    findings = examine(root_of(context))
    for finding in findings:
        mark = "[red]fix[/red]" if finding.remedy else "[green]ok [/green]"
        out.print(f"{mark} {finding.name:20} {escape(finding.detail)}", highlight=False, soft_wrap=True)
        if finding.remedy:
            out.print(f"     -> {escape(finding.remedy)}", highlight=False, soft_wrap=True)
    wrong = [finding.name for finding in findings if finding.remedy]
    if wrong:
        raise GimError(f"{len(wrong)} thing(s) to fix: {', '.join(wrong)}", "the lines above say how")
