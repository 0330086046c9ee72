"""What people said, counted: who can be shown apart, and tables of judgements and severity by community.

Input is `records.Judgements`. People disagree for reasons; nothing here merges their answers into one label.
"""

from __future__ import annotations

from collections.abc import Mapping

LEAST = 3  # people; a smaller group is never shown apart
TOGETHER = "others"

# --- who can be shown apart --------------------------------------------------------------------


def shown_groups(counts: Mapping[str, int], *, least: int = LEAST) -> Mapping[str, str]:
    """Under which name each group may be shown, so that no fewer than `least` people can be told apart.

    Groups of fewer than `least` are put together. Where even together they are fewer, the smallest of the others joins
    them: left out instead, they would be what remains of the total when the groups shown are taken away from it
    (complementary suppression: Hundepool et al. 2012, Statistical Disclosure Control, section 4.2). Every union of
    names, and the total without it, is then nobody or at least `least` people.

    The rule holds for one table. Two tables of the same answers by different groupings could be subtracted from each
    other, so each kind of answer is tabulated by one grouping only: prevalence by region, all others by community.

    Args:
        counts: group -> people in it, each person in one group.
        least: fewest people shown apart.

    Returns:
        group -> the name it is shown under: its own, or one name (`TOGETHER`) that several share. "" is "not shown":
        a group of nobody; and all groups where there are fewer than `least` people in all. Then the total may not be
        shown either.

    Raises:
        ValueError: a count is negative.
    """
    if any(n < 0 for n in counts.values()):
        raise ValueError(f"people per group must not be negative, got {dict(counts)}")
    by_size = sorted((n, group) for group, n in counts.items() if n)
    together: set[str] = set()
    people = 0
    for n, group in by_size:
        if n >= least and (not together or people >= least):
            break
        together.add(group)
        people += n
    name = _free_name(counts) if people >= least else ""
    return {group: "" if not n else name if group in together else group for group, n in counts.items()}


def _free_name(taken: Mapping[str, int]) -> str:
    """`TOGETHER`, or where a group has that name itself, a longer one."""
    name = TOGETHER
    while name in taken:
        name += " together"
    return name
