"""Which parts of a model carry an effect: patched exactly, chosen on some templates and judged on the others."""

from audit.circuits.looking import Looker
from audit.circuits.study import Study, study

__all__ = ["Looker", "Study", "study"]
