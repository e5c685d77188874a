"""The tables of benchmarks/README.md: generated, and not edited since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import tables
from benchmarks.__main__ import main


def result(name: str, **accuracy: tuple[float, str]) -> dict[str, Any]:
    def interval(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    names = ("accuracy@1", "recall@3", "recall@5", "mrr@10", "ndcg@10")
    return {
        "set": name,
        "agents": 1200,
        "requests": 10,
        "requests_available": 20,
        "encoder": {"name": "words", "fingerprint": "f" * 64},
        "versions": {"python": "3.11"},
        "machine": {"system": "Linux", "processor": "x", "cores": 2, "threads": 2},
        "settings": {
            "zero_shot": {
                "methods": {
                    method: {
                        "seconds": 1.0,
                        "metrics": dict.fromkeys(names, interval(value)),
                        "auroc": None,
                        "ranks": ranks,
                    }
                    for method, (value, ranks) in accuracy.items()
                }
            }
        },
    }


RESULTS = {
    "metatool": result("metatool", agentmatch=(0.5, "1 2"), bm25=(0.6, "1 1")),
    "seal_tools": result("seal_tools", agentmatch=(0.9, "1 -"), bm25=(0.7, ". -")),
}


def test_the_committed_tables_are_those_of_the_committed_results() -> None:
    assert main(["tables", "--check"]) == 0


def test_the_headline_has_every_set_and_the_macro_average_best_in_bold() -> None:
    lines = tables.headline_table(RESULTS, "zero_shot").splitlines()
    assert lines[0] == "| method | metatool (1,200) | seal_tools (1,200) | macro |"
    assert lines[2] == "| agentmatch | 50.0 | **90.0** | **70.0** |"
    assert lines[3] == "| BM25 | **60.0** | 70.0 | 65.0 |"


def test_a_method_that_misses_a_set_has_no_macro_average() -> None:
    partial = {**RESULTS, "seal_tools": result("seal_tools", agentmatch=(0.9, "1 1"))}
    assert (
        tables.headline_table(partial, "zero_shot").splitlines()[3] == "| BM25 | **60.0** |  |  |"
    )


def test_who_beats_us_is_named() -> None:
    sentence = tables.rivals_sentence(RESULTS, "zero_shot")
    assert "BM25 on metatool by 10.0 points (within chance)" in sentence
    assert "seal_tools" not in sentence
    only = {"metatool": result("metatool", agentmatch=(0.5, "1 2"), bm25=(0.4, "2 2"))}
    assert tables.rivals_sentence(only, "zero_shot").startswith("No method beats agentmatch")


def test_paired_intervals_leave_out_requests_that_no_agent_fits() -> None:
    low, high = tables.paired_interval("1 1 1 1 -", "2 2 2 2 -")
    assert (low, high) == (1, 1)
    low, high = tables.paired_interval("1 2 1 2", "2 1 2 1")
    assert low < 0 < high


def test_blocks_are_filled_between_their_markers(tmp_path: Path) -> None:
    text = "a\n<!-- begin generated: x -->\nold\n<!-- end generated: x -->\nb\n"
    filled = tables.fill(text, {"x": "new"})
    assert filled == text.replace("old", "new")
    assert tables.fill(filled, {"x": "new"}) == filled
    with pytest.raises(ValueError, match="markers of 'y'"):
        tables.fill(text, {"y": "new"})


def test_check_fails_on_a_drift_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    text = tables.README.read_text(encoding="utf-8")
    blocks = tables.generate(tmp_path)
    readme.write_text(tables.fill(text, dict.fromkeys(blocks, "edited")), encoding="utf-8")
    arguments = ["tables", "--readme", str(readme), "--results", str(tmp_path)]
    assert main([*arguments, "--check"]) == 1
    assert "python -m benchmarks tables" in capsys.readouterr().err
    assert "edited" in readme.read_text(encoding="utf-8")
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    assert readme.read_text(encoding="utf-8") == tables.fill(text, blocks)


def sets(f1: float, exact: float) -> dict[str, dict[str, float]]:
    return {
        metric: {"value": value, "low": value - 0.1, "high": value + 0.1}
        for metric, value in {
            "set_precision": 0.5,
            "set_recall": 0.5,
            "set_f1": f1,
            "exact_set": exact,
            "one_agent": 0.0,
        }.items()
    }


TEAMS = {
    "test": {
        "x, one agent": {
            "requests": 9,
            "one_k": 2,
            "group_k": 1,
            "methods": {
                "team": sets(0.5, 0.2),
                "top k, one k for all": sets(0.4, 0.1),
                "top k, k of the group": sets(0.6, 0.3),
            },
            "gains": {
                "top k, one k for all": {
                    "value": 0.1,
                    "low": 0.05,
                    "high": 0.2,
                    "won": 3,
                    "lost": 1,
                },
                "top k, k of the group": {
                    "value": -0.1,
                    "low": -0.2,
                    "high": 0.1,
                    "won": 1,
                    "lost": 3,
                },
            },
        }
    }
}


def test_the_table_of_teams_shows_every_rival_and_the_best_in_bold() -> None:
    lines = tables.team_table(TEAMS).splitlines()[2:]
    assert lines[0].startswith("| x, one agent (9) | team | 50.0 | 50.0 | 50.0 (40.0 to 60.0) |")
    assert "| top 2 |" in lines[1]
    assert "| top 1, k of the group | 50.0 | 50.0 | **60.0**" in lines[2]


def test_where_teams_lose_is_named() -> None:
    sentence = tables.team_sentence(TEAMS)
    assert "x, one agent +10.0 (clear; better for 3, worse for 1)" in sentence
    assert "x, one agent -10.0 (within chance; better for 1, worse for 3)" in sentence
    assert "is ahead of teams on x, one agent by 10.0 points" in sentence
    assert tables.team_table(None) == tables.team_sentence(None) == "Not measured yet."
