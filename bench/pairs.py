"""The reference task of the circuit benchmarks: sixteen prompts, and the same prompts with another occupation.

Thirteen tokens each for SmolLM2's tokenizer, first difference at token 9 (counted from 0), and " she" against " he" as
the next word. Only text: a peer's own process and environment can import it.
"""

from __future__ import annotations

ANSWER, FOIL = " she", " he"

TEMPLATES = (
    "After the long meeting in the old office, the {} said that",
    "When the phone rang very late at night, the {} explained that",
    "Before leaving the old building this morning, the {} told us that",
    "During the short interview with the local newspaper, the {} admitted that",
)
# (in the clean prompt, in the corrupted one); each is one token after " the".
OCCUPATIONS = (("nurse", "engineer"), ("maid", "pilot"), ("dancer", "captain"), ("queen", "soldier"))

PAIRS = tuple(
    (template.format(clean), template.format(corrupted)) for template in TEMPLATES for clean, corrupted in OCCUPATIONS
)
