"""Everything that belongs to an open project, made once and shared by all routes."""

from typing import Literal

from egoact import __version__
from egoact.core.files import lock_folder
from egoact.studio.database import Database
from egoact.studio.events import Events
from egoact.studio.labelling.annotation_files import AnnotationFiles
from egoact.studio.labelling.classes import Classes
from egoact.studio.labelling.labels import LabelBook
from egoact.studio.live.sessions import LiveSessions
from egoact.studio.media.measures import Measures
from egoact.studio.media.recordings import Recordings
from egoact.studio.media.reviews import Reviews
from egoact.studio.project import Project
from egoact.studio.schemas.jobs import Event, Job
from egoact.studio.schemas.project import Project as ProjectAnswer
from egoact.studio.work.jobs import Jobs
from egoact.studio.work.proposals import ProposalBook
from egoact.studio.work.results import Results
from egoact.studio.work.runs import Runs

_NEWS: dict[str, Literal["recordings", "runs", "proposals"]] = {
    "playable": "recordings",
    "quick": "recordings",
    "blur": "recordings",
    "train": "runs",
    "evaluate": "runs",
    "learning_curve": "runs",
    "predict": "proposals",
}
"""What is new when a job of this kind is done."""


class Workspace:
    """An open project; an `ArtifactError` where another studio has it open, or its state cannot be read."""

    def __init__(self, project: Project, *, max_upload_bytes: int) -> None:
        self.project, self.max_upload_bytes = project, max_upload_bytes
        self._lock = lock_folder(project.own, command="studio")
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        project = self.project
        self.events = Events()
        self.database = Database(project.own / "state.sqlite")
        self.classes = Classes(self.database, project.folder / "classes")
        self.recordings = Recordings(project, self.database, self._tell_recording)
        self.labels = LabelBook(self.database, project.folder / "labels", self.classes, self._tell_labels)
        self.measures = Measures(project.own / "measures")
        self.reviews = Reviews(project, self.recordings)
        self.annotation_files = AnnotationFiles(self.labels, self.recordings)
        self.runs = Runs(project)
        self.proposals = ProposalBook(self.database, self.runs, self.labels)
        self.results = Results(self.runs, self.labels, self.recordings)
        self.live = LiveSessions(project, self.runs, self.recordings)
        self.jobs = Jobs(self.database, project.folder, project.own / "jobs", self._tell_job)

    def close(self) -> None:
        """Write what is not written yet, and let go of the project."""
        self.events.tell(None)
        self.jobs.close()
        self.live.close_all()
        self.measures.close()
        self.labels.files.close()
        self.database.close()
        self._lock.release()

    def describe(self) -> ProjectAnswer:
        """What the first page shows."""
        sources, problems = self.recordings.find_all()
        annotators = [self.labels.describe(name) for name in self.labels.files.annotators()]
        return ProjectAnswer(
            name=self.project.folder.name,
            folder=str(self.project.folder),
            version=__version__,
            annotators=annotators,
            num_recordings=len(sources),
            classes=self.classes.sets(),
            problems=[*problems, *self.classes.problems(), *self.labels.files.problems()],
            max_upload_bytes=self.max_upload_bytes,
            heavy_job=self.jobs.running,
        )

    def _tell_job(self, job: Job) -> None:
        self.events.tell(Event(type="job", id=str(job.id), job=job))
        if job.state == "done":
            self.runs.forget()
            if news := _NEWS.get(job.kind):
                self.events.tell(Event(type=news, id=job.subject))

    def _tell_recording(self, recording_id: str) -> None:
        self.events.tell(Event(type="recordings", id=recording_id))

    def _tell_labels(self, annotator: str, revision: int) -> None:
        self.events.tell(Event(type="labels", id=annotator, revision=revision))
