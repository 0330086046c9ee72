"""Deciding whether a model may be released: a policy fixed before the run, the gate, and what the gate says to CI.

policy     what was agreed, in a TOML file, and its digest
bounds     the statistics: when a number is within a bound, beyond it, or neither
gate       a run and a policy -> PASS, FAIL, INSUFFICIENT EVIDENCE or CONTESTED, cell by cell, with reasons
hearing    what people said, as a file of the desk
outputs    the decision as text, JSON, JUnit XML, Markdown
planning   what the policy can tell before anything is run
training   a callback that audits checkpoints while transformers' Trainer trains
"""
