"""Reads from a model how likely each answer is after each prompt: suites in, observation rows out."""

from audit.models.spelling import Refused
from audit.observe.noise import measure_noise
from audit.observe.scoring import Scored, score, score_plainly
from audit.observe.shards import Shard, ShardResult, plan_shards, score_shard

__all__ = [
    "Refused",
    "Scored",
    "Shard",
    "ShardResult",
    "measure_noise",
    "plan_shards",
    "score",
    "score_plainly",
    "score_shard",
]
