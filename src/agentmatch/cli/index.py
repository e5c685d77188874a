"""`agentmatch index` and `agentmatch info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agentmatch.cli.options import (
    agents_option,
    encoding_progress,
    json_option,
    model_option,
    notice,
    print_json,
    report_problems,
    resolve_catalogue,
    show_notices,
)

if TYPE_CHECKING:
    from agentmatch.matcher import AgentMatcher


@click.command(epilog="Example: agentmatch index agents -o agents.index")
@click.argument("directory", required=False)
@click.option(
    "--output", "-o", required=True, metavar="PATH", help="Folder for the index: new or an index."
)
@model_option
def index(directory: str | None, output: str, model: str) -> None:
    """Build an index of DIRECTORY (default: as for 'match') and save it.

    'agentmatch match' keeps an index of its own in the user's cache folder; build one
    to take it elsewhere, or to have it where you want it.
    """
    from agentmatch.encoders import load_encoder
    from agentmatch.matcher import AgentMatcher

    show_notices()
    path = resolve_catalogue(directory)
    with encoding_progress() as progress:
        matcher = AgentMatcher.from_directory(path, encoder=load_encoder(model), progress=progress)
    report_problems(matcher.problems, path)
    if keep_head(matcher, Path(output)):
        notice(f"{output} was tuned; what it learned is kept")
    matcher.save(output)
    notice(f"{len(matcher)} agents, {len(matcher.index.passages)} passages saved in {output}")


def keep_head(matcher: AgentMatcher, folder: Path) -> bool:
    """Take over what an index learned that is about to be replaced; say whether it did."""
    from agentmatch.errors import IndexFolderError
    from agentmatch.store import read_index

    try:
        head = read_index(folder).head
    except IndexFolderError:
        return False
    if head is None or head.encoder_fingerprint != matcher.encoder.fingerprint:
        return False
    matcher.use_head(head)
    return True


@click.command(epilog="Example: agentmatch info --agents builtin")
@agents_option
@model_option
@click.option("--index", "index_path", metavar="PATH", help="Describe a saved index.")
@json_option
def info(agents: str | None, model: str, index_path: str | None, as_json: bool) -> None:
    """Show what is used: catalogue, model, and the index and whether it is up to date."""
    import platform

    from agentmatch.cache import cache_folder
    from agentmatch.encoders import load_encoder
    from agentmatch.encoders.models import find_model
    from agentmatch.version import __version__

    facts: dict[str, Any] = {"agentmatch": __version__, "python": platform.python_version()}
    if index_path is not None:
        facts["index"] = _describe(Path(index_path))
    else:
        catalogue = resolve_catalogue(agents)
        encoder = load_encoder(model)
        facts["catalogue"] = catalogue
        facts["model"] = {
            "name": model,
            "path": str(find_model(model)),
            "fingerprint": encoder.fingerprint,
            "runtime": encoder.runtime,
        }
        facts["index"] = _describe(cache_folder(catalogue, encoder))
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{key}:")
            for inner, detail in value.items():
                click.echo(f"  {inner}: {'' if detail is None else detail}")
        else:
            click.echo(f"{key}: {value}")


def _describe(folder: Path) -> dict[str, Any]:
    from agentmatch.errors import IndexFolderError, IndexNotFoundError
    from agentmatch.snapshot import is_unchanged
    from agentmatch.store import read_index

    description: dict[str, Any] = {"path": str(folder)}
    try:
        manifest = read_index(folder).manifest
    except IndexNotFoundError:
        return {**description, "state": "not built yet"}
    except IndexFolderError as error:
        return {**description, "state": f"unusable: {error.problem}"}
    source = manifest.catalogue
    if source is None:
        state = "complete; built from records, not from files"
    elif not Path(source.path).exists():
        state = "complete; its catalogue is not on this machine"
    elif is_unchanged(source):
        state = "up to date"
    else:
        state = "older than the catalogue's files"
    return {
        **description,
        "state": state,
        "built_by": f"agentmatch {manifest.version}",
        "catalogue": None if source is None else source.path,
        "model": manifest.encoder,
        "model_fingerprint": manifest.encoder_fingerprint,
        "dimension": manifest.dimension,
        "agents": manifest.agents,
        "tuned_on": None if manifest.head is None else manifest.head["requests"],
        "passages": manifest.passages,
        "search": "exact"
        if manifest.approximate is None
        else f"approximate (recall@10 {manifest.approximate[1]:.3f})",
        "bytes": sum(size for size, _ in manifest.files.values()),
    }
