"""Whether two models differ by more than chance: counts in, probabilities out; exact, without approximations."""

from collections.abc import Sequence


def mcnemar_exact(num_only_first: int, num_only_second: int) -> float:
    """Probability of a difference at least as large between two equally good models that answered the same segments.

    Only the segments count that one model has right and the other wrong: of equally good models each would win such
    a segment with probability 1/2. Two-sided; whole numbers throughout, so it is exact for any count.

    Args:
        num_only_first: Segments that only the first model has right.
        num_only_second: Segments that only the second model has right.

    Raises:
        ValueError: A negative count.

    Source: McNemar, Note on the sampling error of the difference between correlated proportions, 1947; exact form.

    >>> mcnemar_exact(0, 5)
    0.0625
    """
    if num_only_first < 0 or num_only_second < 0:
        raise ValueError(f"counts are {num_only_first} and {num_only_second}; they cannot be negative")
    num_trials, least = num_only_first + num_only_second, min(num_only_first, num_only_second)
    tail = ways = 1
    for k in range(1, least + 1):
        ways = ways * (num_trials - k + 1) // k
        tail += ways
    return min(1.0, 2 * tail / (1 << num_trials))


def adjust_holm(probabilities: Sequence[float]) -> list[float]:
    """Probabilities of several tests, so that any of them below 0.05 is a false alarm in at most one of 20 such tables.

    Raises:
        ValueError: Something that is no probability.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    >>> adjust_holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if odd := [p for p in probabilities if not 0 <= p <= 1]:
        raise ValueError(f"{odd[0]} is no probability")
    adjusted = [0.0] * len(probabilities)
    largest = 0.0
    for rank, position in enumerate(sorted(range(len(probabilities)), key=lambda i: probabilities[i])):
        largest = max(largest, min(1.0, (len(probabilities) - rank) * probabilities[position]))
        adjusted[position] = largest
    return adjusted
