"""`agentmatch tune` and `agentmatch feedback`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentmatch.cli.index import keep_head
from agentmatch.cli.options import (
    agents_option,
    encoding_progress,
    json_option,
    model_option,
    notice,
    open_matcher,
    print_json,
    resolve_catalogue,
    show_notices,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmatch.evaluation.request_sets import LabelledRequest
    from agentmatch.matcher import AgentMatcher
    from agentmatch.training.fine_tuning import FineTuningReport

TRAIN_SPLIT = "train"
"""The part of a file that is learned from where none is chosen and the file has it."""


@click.command(
    epilog="Example: agentmatch tune -a agents --requests labelled.jsonl -o agents.index && "
    'agentmatch match --index agents.index "our checkout page takes 5 seconds"'
)
@agents_option
@model_option
@click.option(
    "--requests",
    "files",
    required=True,
    multiple=True,
    metavar="FILE",
    help="Labelled requests, as for 'evaluate'; repeatable. An empty list of agents says "
    "that none fits.",
)
@click.option(
    "--split",
    metavar="NAME",
    help=f"Learn from this part of the requests.  [default: {TRAIN_SPLIT!r} where there is such "
    "a part, else all]",
)
@click.option(
    "--dev-split",
    metavar="NAME",
    help="Judge the result by this part; otherwise each request is judged by a head that has "
    "not seen it.",
)
@click.option(
    "--output", "-o", required=True, metavar="INDEX", help="Folder for the index: new or an index."
)
@click.option(
    "--encoder",
    metavar="FOLDER",
    help="First fine-tune the embedding model itself on these requests: up to half an hour "
    "without a GPU. Where it is better than before it is kept in FOLDER, which "
    "must be new, and the index is built with it.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Save the index even where it is worse than before. An encoder must be better.",
)
@json_option
@click.pass_context
def tune(
    context: click.Context,
    agents: str | None,
    model: str,
    files: tuple[str, ...],
    split: str | None,
    dev_split: str | None,
    output: str,
    encoder: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Learn from labelled requests which of them each agent takes, and save the index.

    The embedding model stays as it is, unless --encoder is given; a small head on top of
    it learns. Agents without labelled requests, and those added later, are still judged by
    their text. Exits with 1 and saves nothing where requests that were not learned from
    are answered worse than before.
    """
    if split is not None and split == dev_split:
        raise click.UsageError("--split and --dev-split must differ")
    if encoder is not None and Path(encoder).resolve() == Path(output).resolve():
        raise click.UsageError("--encoder and --output must be two folders")
    show_notices()
    requests, dev = _read(files, split, dev_split)
    matcher = open_matcher(agents, model, None, context)
    fine_tuning: FineTuningReport | None = None
    if encoder is not None:
        from agentmatch.store import require_index_folder

        # Better said now than after minutes.
        require_index_folder(Path(output))
        if dev is None:
            requests, dev = _hold_out(requests)
        matcher, fine_tuning = _fine_tune(matcher, requests, dev, encoder)
        if not fine_tuning.better:
            if as_json:
                print_json({"encoder": fine_tuning.to_json(), "saved": False, "index": output})
            context.exit(1)
    if dev is not None:
        # The new head is then compared with the one that it would replace.
        keep_head(matcher, Path(output))
    with encoding_progress("Encoding requests") as progress:
        report = matcher.tune(requests, dev, progress=progress)
    saved = report.better or force
    if saved:
        matcher.save(output)
    if as_json:
        added = {} if fine_tuning is None else {"encoder": fine_tuning.to_json()}
        print_json({**report.to_json(), **added, "saved": saved, "index": output})
    else:
        from rich.console import Console

        from agentmatch.cli.render_tuning import print_tuning

        print_tuning(report, Console())
    for note in report.notes:
        notice(note)
    if saved:
        notice(f"saved in {output}; use it with --index {output}")
        return
    notice(
        f"not saved: {report.after.handled:.1%} of the {report.judged_on} are handled rightly, "
        f"before it were {report.before.handled:.1%}; label more requests, or save it anyway "
        "with --force"
    )
    context.exit(1)


def _hold_out(
    requests: list[LabelledRequest],
) -> tuple[list[LabelledRequest], list[LabelledRequest]]:
    """Hold requests out by which a new encoder, and the head on top of it, are judged."""
    from agentmatch.training.fine_tuning import hold_out

    learned, held = hold_out(requests)
    notice(
        f"{len(held):,} of {len(requests):,} labelled requests are held out and judged by; choose "
        "them with --dev-split"
    )
    return learned, held


def _fine_tune(
    matcher: AgentMatcher,
    requests: Sequence[LabelledRequest],
    dev: Sequence[LabelledRequest],
    folder: str,
) -> tuple[AgentMatcher, FineTuningReport]:
    """Fine-tune the encoder, and say on stderr what came of it."""
    from agentmatch.training.fine_tuning import fine_tune

    notice(f"fine-tuning {matcher.encoder.name} on {len(requests):,} requests; this takes a while")
    with encoding_progress("Fine-tuning the encoder") as progress:
        matcher, report = fine_tune(matcher, requests, folder, dev, progress=progress)
    figures = (
        f"of {report.judged:,} requests that it did not learn from it puts the right agent first "
        f"for {report.after:.1%}, before it were {report.before:.1%} ({report.steps:,} steps, "
        f"{report.seconds:.0f} s)"
    )
    if report.better:
        notice(f"the new encoder is kept in {report.folder}: {figures}")
    else:
        notice(f"the new encoder is no better and not kept, nor is anything saved: {figures}")
    return matcher, report


def _read(
    files: tuple[str, ...], split: str | None, dev_split: str | None
) -> tuple[list[LabelledRequest], list[LabelledRequest] | None]:
    """Read the requests to learn from and those to judge by."""
    from agentmatch.errors import RequestSetError
    from agentmatch.evaluation.request_sets import read_requests

    everything = [request for file in files for request in read_requests(file)]
    splits = {request.split for request in everything}
    for wanted in (split, dev_split):
        if wanted is not None and wanted not in splits:
            known = ", ".join(sorted(splits - {""})) or "no splits"
            raise RequestSetError(files[0], f"no request of the split {wanted!r}; it has {known}")
    if split is None and TRAIN_SPLIT in splits:
        split = TRAIN_SPLIT
        if len(splits) > 1:
            notice(f"learning from the split {split!r} only; choose another with --split")
    chosen = [
        request
        for request in everything
        if (split is None or request.split == split) and request.split != dev_split
    ]
    if not chosen:
        raise RequestSetError(files[0], f"all requests are of the split {dev_split!r}")
    if dev_split is None:
        return chosen, None
    return chosen, [request for request in everything if request.split == dev_split]


@click.command(epilog='Example: agentmatch feedback "rotate the TLS certificate" network-engineer')
@click.argument("request")
@click.argument("agent", nargs=-1)
@click.option("--none", "nobody", is_flag=True, help="Say that no agent fits, instead of AGENT.")
@click.option(
    "--file",
    metavar="PATH",
    help="The file to append to.  [default: $AGENTMATCH_FEEDBACK, else one for the catalogue in "
    "the user's data folder]",
)
@agents_option
@json_option
def feedback(
    request: str,
    agent: tuple[str, ...],
    nobody: bool,
    file: str | None,
    agents: str | None,
    as_json: bool,
) -> None:
    """Record that AGENT, or several, should have taken REQUEST.

    The file that grows is a set of labelled requests: give it to 'tune' and 'evaluate'
    with --requests.
    """
    from agentmatch.catalogue import load_catalogue
    from agentmatch.evaluation.request_sets import LabelledRequest, require_known_agents
    from agentmatch.feedback import feedback_file, record_feedback

    if nobody == bool(agent):
        raise click.UsageError("give either AGENT or --none")
    catalogue = resolve_catalogue(agents)
    names = [entry.name for entry in load_catalogue(catalogue)]
    require_known_agents([LabelledRequest("given", request, agent)], names, catalogue)
    path = record_feedback(request, agent, file or feedback_file(catalogue))
    if as_json:
        print_json({"file": str(path), "request": request, "agents": list(agent)})
    else:
        click.echo(path)
