"""What runs propose, and what people make of it: accepted and corrected proposals become labels.

Least certain first: of those, a person's answer teaches most (uncertainty sampling).

Source: Lewis and Gale, A sequential algorithm for training text classifiers, 1994.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from itertools import compress
from typing import Any

from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.studio.database import Database
from egoact.studio.labelling.label_rows import last_revision
from egoact.studio.labelling.labels import LabelBook
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.labels import AddEdit, ChangeEdit, DeleteEdit, Edits, EditsDone, SegmentValues
from egoact.studio.schemas.runs import Decision, Decisions, DecisionsDone, Proposal, Proposals, ProposedRecording
from egoact.studio.work.runs import Runs

_DONE = {"accept": "accepted", "correct": "corrected", "reject": "rejected"}


class ProposalBook:
    """Proposals of all runs, and decisions about them, which the database keeps; accepted ones become labels."""

    def __init__(self, database: Database, runs: Runs, labels: LabelBook) -> None:
        self._database, self._runs, self._labels = database, runs, labels

    def list_recordings(self, run: str) -> list[ProposedRecording]:
        """Recordings with proposals of a run, least certain first."""
        self._runs.find(run)
        decided: dict[str, dict[str, Any]] = {}
        for row in self._decided(run):
            decided.setdefault(row["recording_id"], {})[row["proposal_id"]] = row
        lines = []
        for name, timeline in self._runs.timelines(run).items():
            proposals, level = _judge(timeline, decided.get(name, {}))
            numbers = {"num_proposals": len(proposals), "num_open": sum(p.decision == "open" for p in proposals)}
            lines.append(ProposedRecording(recording_id=name, uncertainty=level, **numbers))
        return sorted(lines, key=lambda line: (-line.uncertainty, line.recording_id))

    def read(self, run: str, recording_id: str, *, order: str = "time") -> Proposals:
        """The proposals of a run for a recording; 404 where it made none."""
        timeline = self._runs.timelines(run).get(recording_id)
        if timeline is None:
            raise Refusal(404, f"{run} has proposed nothing for '{recording_id[:80]}'")
        decided = {row["proposal_id"]: row for row in self._decided(run) if row["recording_id"] == recording_id}
        proposals, level = _judge(timeline, decided)
        if order == "uncertain":
            proposals.sort(key=lambda proposal: (proposal.decision != "open", proposal.confidence))
        return Proposals(run=run, recording_id=recording_id, uncertainty=level, proposals=proposals)

    def decide(self, run: str, recording_id: str, decisions: Decisions) -> DecisionsDone:
        """Do all decisions, or none."""
        self._runs.find(run)
        self._labels.check(decisions.annotator)
        known = {proposal.id: proposal for proposal in self.read(run, recording_id).proposals}
        edits: list[AddEdit | ChangeEdit | DeleteEdit] = []
        kept: list[tuple[Decision, str | None]] = []
        for decision in decisions.decisions:
            proposal = known.get(decision.proposal_id)
            if proposal is None:
                raise Refusal(404, f"{run} has no proposal '{decision.proposal_id[:80]}' any more")
            edit, segment_id = self._edit_of(decision, proposal, recording_id, decisions.annotator)
            edits += [] if edit is None else [edit]
            kept.append((decision, segment_id))

        def keep(_: EditsDone) -> None:
            for decision, segment_id in kept:
                self._keep(run, recording_id, decisions.annotator, decision, segment_id)

        if edits:
            done = self._labels.edit(
                decisions.annotator, Edits(request_id=decisions.request_id, edits=edits), together_with=keep
            )
        else:
            done = EditsDone(revision=last_revision(self._database, decisions.annotator), segments=[], deleted=[])
            with self._database.transaction():
                keep(done)
        wanted = {decision.proposal_id for decision, _ in kept}
        now = [proposal for proposal in self.read(run, recording_id).proposals if proposal.id in wanted]
        return DecisionsDone(revision=done.revision, proposals=now, segments=done.segments, deleted=done.deleted)

    def _edit_of(
        self, decision: Decision, proposal: Proposal, recording_id: str, annotator: str
    ) -> tuple[AddEdit | ChangeEdit | DeleteEdit | None, str | None]:
        """What a decision does to the labels."""
        if (decision.segment is None) == (decision.action == "correct"):
            raise Refusal(400, "a segment goes with 'correct', and with nothing else")
        labels = self._labels.read(annotator).segments if proposal.segment_id else []
        present = next((label for label in labels if label.id == proposal.segment_id), None)
        if decision.action in ("reject", "reopen"):
            if present is None:
                return None, None
            return DeleteEdit(op="delete", id=present.id, version=present.version), None
        proposed = proposal.model_dump(include={"start_seconds", "stop_seconds", "verb", "noun"})
        values = decision.segment or SegmentValues(recording_id=recording_id, **proposed)
        if values.recording_id != recording_id:
            raise Refusal(400, "a correction stays in its recording")
        if present is not None:
            return ChangeEdit(op="change", id=present.id, version=present.version, segment=values), present.id
        segment_id = f"{recording_id}_{proposal.id}"
        return AddEdit(op="add", id=segment_id, segment=values), segment_id

    def _keep(self, run: str, recording_id: str, annotator: str, decision: Decision, segment_id: str | None) -> None:
        key = (run, recording_id, decision.proposal_id)
        self._database.execute("DELETE FROM decisions WHERE run = ? AND recording_id = ? AND proposal_id = ?", *key)
        if decision.action != "reopen":
            statement = "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?)"
            self._database.execute(statement, *key, _DONE[decision.action], annotator, segment_id)

    def _decided(self, run: str) -> list[Any]:
        """Decisions; a proposal whose label was deleted since is open again."""
        query = """SELECT decisions.*, segments.is_deleted FROM decisions LEFT JOIN segments
            ON segments.annotator = decisions.annotator AND segments.id = decisions.segment_id WHERE run = ?"""
        rows = self._database.rows(query, run)
        return [row for row in rows if row["decision"] == "rejected" or row["is_deleted"] == 0]


def _judge(timeline: Timeline, decided: dict[str, Any]) -> tuple[list[Proposal], float]:
    """Proposals by time, and how uncertain the open ones are."""
    proposals = [_proposal(segment, decided) for segment in timeline]
    is_open = [proposal.decision == "open" for proposal in proposals]
    return proposals, uncertainty([*compress(timeline, is_open)]) if any(is_open) or not proposals else 0.0


def uncertainty(segments: Sequence[TimelineSegment] | Timeline) -> float:
    """1 minus the mean confidence over the time of actions; 1 where a run found nothing at all."""
    total = sum(segment.duration_seconds for segment in segments)
    if total <= 0:
        return 1.0
    return sum((1 - segment.confidence) * segment.duration_seconds for segment in segments) / total


def _proposal(segment: TimelineSegment, decided: dict[str, Any]) -> Proposal:
    told = (round(segment.start_seconds * 1000), round(segment.stop_seconds * 1000), segment.verb, segment.noun)
    key = hashlib.sha256(repr(told).encode()).hexdigest()[:12]
    found = decided.get(key, {"decision": "open", "segment_id": None})
    return Proposal(id=key, **asdict(segment), decision=found["decision"], segment_id=found["segment_id"])
