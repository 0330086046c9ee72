"""Two runs compared: per-item differences on the same items, clustered on templates, corrected in families."""

from audit.comparison.records import Comparison, Difference, Likeness, NodeChange, NotComparable, Outcome
from audit.comparison.weighing import compare

__all__ = ["Comparison", "Difference", "Likeness", "NodeChange", "NotComparable", "Outcome", "compare"]
