"""How far judging has come, and where readers are lacking: counts of work, never of what was said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select

from audit.reviews.assigning import readers_of
from audit.reviews.database import Database
from audit.reviews.library import GONE, OVERLAP, run_of
from audit.reviews.roles import Action, Role, permitted
from audit.reviews.tables import Assignment, Community, FindingRow


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One community and one language that it reviews, in one run."""

    community: str
    name: str
    language: str
    readers: int  # active reviewers and stewards who read it
    findings: int  # of the run in this language
    open: int  # assignments
    done: int

    @property
    def lacks(self) -> int:
        """How many more readers it takes so that every finding can be judged by OVERLAP people."""
        return max(0, OVERLAP - self.readers)


def workload(db: Database, run: str, *, by: str) -> tuple[Workload, ...]:
    """By community and language; stewards see their own communities. Findings over several languages are in none.

    Raises:
        DeskError: no such run here.
        NotAllowedError: `by` assigns no reviews.
    """
    with db.read() as session:
        actor = permitted(session, by, Action.ASSIGN)
        spoken = set(run_of(session, run).languages)
        mine = actor.communities(Role.STEWARD)
        everywhere = any(not community for role, community in actor.grants if role in (Role.AUDITOR, Role.ADMIN))
        rows = session.execute(
            select(Assignment.community, FindingRow.language, Assignment.state, func.count())
            .join(FindingRow, (FindingRow.run_id == Assignment.run_id) & (FindingRow.id == Assignment.finding_id))
            .where(Assignment.run_id == run)
            .group_by(Assignment.community, FindingRow.language, Assignment.state)
        )
        counts = {(community, language, state): n for community, language, state, n in rows}
        per_language = dict(
            session.execute(
                select(FindingRow.language, func.count())
                .where(FindingRow.run_id == run, FindingRow.place != GONE)
                .group_by(FindingRow.language)
            ).all()
        )
        found = []
        for community in session.scalars(select(Community).order_by(Community.name)):
            if not everywhere and community.id not in mine:
                continue
            readers = Counter(code for reads in readers_of(session, community.id).values() for code in set(reads))
            for code in (code for code in community.languages if code in spoken):
                states = {state: counts.get((community.id, code, state), 0) for state in ("open", "done")}
                found.append(
                    Workload(
                        community=community.id,
                        name=community.name,
                        language=code,
                        readers=readers[code],
                        findings=per_language.get(code, 0),
                        **states,
                    )
                )
        return tuple(found)
