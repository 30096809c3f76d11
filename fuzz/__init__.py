"""Fuzzing of everything that reads what somebody else wrote: `python -m fuzz --minutes 10`.

A target makes valid files once; then one of them is changed, byte by byte or by what it means, and the target's reader
is asked about it. It answers, or raises one of the errors of `egoact.core.errors` or a `ValueError`. Anything else is a
finding: another exception, an answer that takes more than 10 seconds, 2 GiB of memory, the end of the process.
Findings become tests with the smallest input.
"""
