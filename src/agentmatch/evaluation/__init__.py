"""Measure how well a catalogue routes: labelled requests, metrics, runs, comparisons.

In reading order: `request_sets` and `metrics`; `runs`, which records what `breakdown`
and `evaluate` find; `leave_one_out` with `word_counts`; `comparison`; and the ways out,
`trec`, `summary`, `charts`, `report`, `markdown`.
"""
