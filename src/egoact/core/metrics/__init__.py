"""How good answers are: accuracy, the official protocol, the long tail, intervals, tests, calibration, score files.

Imports `core.annotations`, `core.epic`, `core.files`. Offers `evaluate_scores`, `evaluate_anticipation`,
`compare_models`, `Scores`, `load_scores`, submissions to challenges, and the reader of what `egoact evaluate` wrote.
"""
