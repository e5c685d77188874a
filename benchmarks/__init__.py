"""Measure agentmatch and its rivals; run from the repository root.

    python -m benchmarks run            every method on every set -> results/
    python -m benchmarks fusion         fit and ablate the weights of the signals
    python -m benchmarks tables         write the tables of README.md from results/
    python -m benchmarks name_mentions  how often a name in a request is the right agent
    python -m benchmarks fetch NAME     download a public set and convert it
    python -m benchmarks kill           kill index builds at random points
    python -m benchmarks catalogues     count the agents of a folder of catalogues

In reading order: `sets`, `vectors`, `task`, `baselines/`, `scoring`, `run`, `tables`.
Not part of the wheel.
"""
