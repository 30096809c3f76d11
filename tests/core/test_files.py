import csv
import io
from pathlib import Path

import pytest

from egoact.core.annotations.spreadsheet import read_spreadsheet
from egoact.core.files import csv_text, write_csv


@pytest.mark.parametrize("cell", ["=cmd", "+1 cup", "-", "@home", "'=cmd", "''-x", "'til", "-1.5", "+2e-3", "take"])
def test_no_cell_is_a_formula_and_all_are_read_back(tmp_path: Path, cell: str) -> None:
    write_csv(tmp_path / "a.csv", [["verb", "seconds"], [cell, -0.5]])
    assert read_spreadsheet(tmp_path / "a.csv").columns == {"verb": (cell,), "seconds": ("-0.5",)}
    ((written, number),) = csv.reader(io.StringIO(csv_text([[cell, -0.5]])))
    assert number == "-0.5"
    assert written[0] not in "=@+-" or float(written)
