import csv
import errno
import io
import os
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest

from egoact.core.annotations.spreadsheet import read_spreadsheet
from egoact.core.files import csv_text, open_atomically, read_table, write_atomically, write_csv, write_table


@pytest.mark.parametrize("cell", ["=cmd", "+1 cup", "-", "@home", "'=cmd", "''-x", "'til", "-1.5", "+2e-3", "take"])
def test_no_cell_is_a_formula_and_all_are_read_back(tmp_path: Path, cell: str) -> None:
    write_csv(tmp_path / "a.csv", [["verb", "seconds"], [cell, -0.5]])
    assert read_spreadsheet(tmp_path / "a.csv").columns == {"verb": (cell,), "seconds": ("-0.5",)}
    ((written, number),) = csv.reader(io.StringIO(csv_text([[cell, -0.5]])))
    assert number == "-0.5"
    assert written[0] not in "=@+-" or float(written)


def test_no_cell_or_name_of_a_table_of_pandas_is_a_formula(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["=cmd", "'til"], "@": [-1, 2]}, index=["+a", "b"])
    write_table(tmp_path / "a.csv", table, index_label="id")
    assert (tmp_path / "a.csv").read_text() == "id,name,'@\n'+a,'=cmd,-1\nb,'til,2\n"
    assert read_table(tmp_path / "a.csv")["name"].tolist() == ["=cmd", "'til"]


def test_two_that_write_one_file_leave_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    second = Thread(target=write_atomically, args=(path, b"second"))
    with open_atomically(path) as file:
        file.write(b"fir")
        second.start()
        second.join(0.1)  # time to do harm
        file.write(b"st")
    second.join()
    assert path.read_bytes() == b"second" and not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.ENOSPC, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EROFS])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    write_atomically(tmp_path / "a.json", b"before")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=os.strerror(number)):
        write_atomically(tmp_path / "a.json", b"after")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
