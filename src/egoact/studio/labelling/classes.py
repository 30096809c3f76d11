"""Words that labels may use: from class files, from words that were added, and from the labels themselves."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from egoact.core.annotations.labels import TARGETS, Target, Vocabulary, read_class_file
from egoact.core.annotations.spreadsheet import read_spreadsheet
from egoact.core.errors import AnnotationError
from egoact.core.files import write_atomically, write_csv
from egoact.studio.database import Database
from egoact.studio.labelling.label_files import LabelRow
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.project import ClassEntry, ClassSets


class Classes:
    """The verbs and nouns of a project; the folder of class files may be missing."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._read: dict[Target, tuple[tuple[str, int], Vocabulary]] = {}

    def sets(self) -> ClassSets:
        """All verbs and nouns."""
        return ClassSets(verbs=self._entries("verb"), nouns=self._entries("noun"))

    def use(self, target: Target, word: str | None) -> int | None:
        """Know a word; gives its class id where there is a class file, which a new word is added to."""
        if word is None:
            return None
        self._database.execute("INSERT OR IGNORE INTO classes VALUES (?, ?)", target, word)
        vocabulary = self.vocabulary(target)
        if vocabulary is None:
            return None
        name = vocabulary.class_name(word)
        if name not in vocabulary.names:
            self._append(target, word)
            return vocabulary.size
        return vocabulary.names.index(name)

    def learn(self, rows: Iterable[LabelRow]) -> None:
        """Know the words of labels; where these have class ids and there is no class file, make one of them."""
        rows = list(rows)
        for target in TARGETS:
            words = {word for row in rows if (word := getattr(row, target))}
            for word in sorted(words):
                self._database.execute("INSERT OR IGNORE INTO classes VALUES (?, ?)", target, word)
            if self.vocabulary(target) is None:
                self._learn_ids(target, rows)

    def replace(self, target: Target, content: bytes) -> None:
        """Take a class file; 400 where it is none."""
        self._folder.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=self._folder, prefix=".trial") as trial:
            (Path(trial) / f"{target}_classes.csv").write_bytes(content)
            try:
                read_class_file(Path(trial), target)
            except AnnotationError as error:
                raise Refusal(400, f"not a class file: {error.reason}") from None
        for old in self._files(target):
            old.unlink()
        write_atomically(self._folder / f"{target}_classes.csv", content)

    def vocabulary(self, target: Target) -> Vocabulary | None:
        """Of the class file; None without one, or where it is wrong, see `problems`."""
        try:
            return self._vocabulary(target)
        except AnnotationError:
            return None

    def problems(self) -> list[str]:
        """What is wrong with class files, a line each."""
        found = []
        for target in TARGETS:
            try:
                self._vocabulary(target)
            except AnnotationError as error:
                found.append(str(error))
        return found

    def _vocabulary(self, target: Target) -> Vocabulary | None:
        files = self._files(target)
        if not files:
            return None
        key = (files[0].name, files[0].stat().st_mtime_ns)
        if len(files) > 1 or target not in self._read or self._read[target][0] != key:
            self._read[target] = (key, read_class_file(self._folder, target))
        return self._read[target][1]

    def _files(self, target: Target) -> list[Path]:
        names = (f"EPIC_100_{target}_classes.csv", f"EPIC_{target}_classes.csv", f"{target}_classes.csv")
        return [path for name in names if (path := self._folder / name).is_file()]

    def _append(self, target: Target, word: str) -> None:
        """Add a class to the file, with the next id."""
        path = self._files(target)[0]
        sheet = read_spreadsheet(path)
        columns = list(sheet.columns)
        new = {name: word if name in ("key", "class_key", "category") else "" for name in columns}
        new |= {name: str(len(sheet)) for name in columns if name in ("id", f"{target}_id")}
        new |= {name: repr([word]) for name in columns if name in ("instances", f"{target}s")}
        rows = zip(*sheet.columns.values(), strict=True)
        write_csv(path, [columns, *rows, [new[name] for name in columns]])

    def _learn_ids(self, target: Target, rows: Iterable[LabelRow]) -> None:
        words_of: dict[int, list[str]] = {}
        for row in rows:
            cell = row.others.get(f"{target}_class", "")
            if cell.isdecimal():
                words_of.setdefault(int(cell), []).append(getattr(row, target) or f"{target} {cell}")
        if not words_of or max(words_of) >= 100_000:
            return
        names: list[str] = []
        for class_id in range(max(words_of) + 1):
            words = words_of.get(class_id, [f"{target} {class_id}"])
            name = max(sorted(set(words)), key=words.count)
            names.append(name if name not in names else f"{name} ({class_id})")
        instances = [repr(sorted(set(words_of.get(i, [])))) for i in range(len(names))]
        self._folder.mkdir(exist_ok=True)
        table = [[str(i), name, words] for i, (name, words) in enumerate(zip(names, instances, strict=True))]
        write_csv(self._folder / f"{target}_classes.csv", [["id", "key", "instances"], *table])

    def _entries(self, target: Target) -> list[ClassEntry]:
        query = f"SELECT {target} AS name, COUNT(*) AS number FROM segments WHERE NOT is_deleted GROUP BY {target}"
        counts = {row["name"]: row["number"] for row in self._database.rows(query) if row["name"]}
        added = [row["name"] for row in self._database.rows("SELECT name FROM classes WHERE target = ?", target)]
        vocabulary = self.vocabulary(target)
        names = () if vocabulary is None else vocabulary.names
        category = dict(zip(names, vocabulary.categories, strict=False)) if vocabulary is not None else {}
        every = sorted({*counts, *added, *names}, key=lambda name: (-counts.get(name, 0), name))
        return [ClassEntry(name=name, category=category.get(name), num_segments=counts.get(name, 0)) for name in every]
