"""Measure how well a catalogue routes: labelled requests, metrics, runs, comparisons.

In reading order: `request_sets`, `metrics`, `runs`, `evaluate`, `leave_one_out`,
`comparison`, `report`.
"""
