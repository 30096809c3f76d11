import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from egoact.core.annotations.spreadsheet import read_spreadsheet
from egoact.core.files import csv_text, read_table, write_csv, write_table


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
