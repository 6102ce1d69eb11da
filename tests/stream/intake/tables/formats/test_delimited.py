"""CSV of several forms becomes the same columns; text that is no table is refused by its name."""

import gzip
from pathlib import Path

import pytest

from stream.errors import DataError
from stream.intake.tables.reader import discover, label_column
from tests.stream.intake.tables.test_reader import START, read_all, stamps, write

HEAD = "time,Machine,Temp °C,on"
LINES = [f"{START + i},p{i % 2},{i}.5,{'true' if i else ''}" for i in range(4)]
EXPECTED = [(f"p{i % 2}", i, (i + 0.5, 1.0 if i else None), i) for i in range(4)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("comma.csv", "\n".join([HEAD, *LINES]).encode()),
        ("bom.csv", ("\ufeff" + "\n".join([HEAD, *LINES]) + "\n").encode()),
        ("windows.csv", "\r\n".join([HEAD, *LINES]).encode("cp1252")),
        ("utf16.csv", "\n".join([HEAD, *LINES]).encode("utf-16")),
        ("remarks.csv", "\n".join(["# by a logger", "#", HEAD, *LINES]).encode()),
        ("tab.tsv", "\n".join([HEAD, *LINES]).replace(",", "\t").encode()),
        ("comma in numbers.csv", "\n".join([HEAD, *LINES]).replace(",", ";").replace(".", ",").encode()),
        ("zipped.csv.gz", gzip.compress("\n".join([HEAD, *LINES]).encode(), mtime=0)),
    ],
)
def test_text_of_any_separator_encoding_and_decimal_point_is_one_table(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert read_all(tmp_path / name) == EXPECTED
    assert read_all(tmp_path) == EXPECTED
    assert discover(tmp_path / name).sensors == ("Temp °C", "on")


def test_a_whole_number_that_gets_a_point_later_and_a_second_column_of_a_name_are_read(tmp_path: Path) -> None:
    lines = [f"{START + i},{i if i < 9_000 else i + 0.5},{2 * i}" for i in range(10_000)]
    (tmp_path / "x.csv").write_text("\n".join(["time,x,x", *lines]))
    assert read_all(tmp_path / "x.csv")[-1] == ("x", 9_999, (9_999.5, 19_998.0), 9_999)
    assert discover(tmp_path / "x.csv").sensors == ("x", "x.1")


def test_the_name_of_a_second_column_is_no_name_that_the_file_has(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"time,x,x,x.1,x\n{START},1,2,3,4\n")
    assert discover(tmp_path / "x.csv").sensors == ("x", "x.2", "x.1", "x.3")
    assert read_all(tmp_path / "x.csv") == [("x", 0, (1.0, 2.0, 3.0, 4.0), 0)]


def test_csv_beside_parquet_is_named_and_not_read(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", {"time": stamps(0), "x": [1.0]})
    (tmp_path / "y.csv").write_text("\n".join([HEAD, *LINES]))
    (tmp_path / "about.csv").write_text("file,rows\nx,1\n")
    (tmp_path / "none.csv.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "broken.csv.gz").write_bytes(gzip.compress(b"time,x\n")[:4] + b"\x00broken")
    assert [name for name, *_ in read_all(tmp_path)] == ["x"]
    assert discover(tmp_path).doubts == (
        "y.csv: not read, because Parquet files are beside; name a CSV file to read it",
    )


def test_a_column_of_labels_is_found_in_csv(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"time,x,anomaly\n{START},1,0\n")
    assert label_column(tmp_path / "x.csv") == "anomaly"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "2025-01-01,1.5\n2025-01-02,1.6\n", r"the first line is \['2025-01-01', '1.5'\]; expected the names"),
        ("x.csv", "1,2\n3,4\n", "expected the names of the columns"),
        ("x.csv", "time,x\n1,2\n1\n", "cannot be read as CSV .*Expected 2 columns, got 1"),
        ("x.csv", "", ": without a row"),
        ("x.csv", "\n\n", "no line with text; expected the names"),
        ("x.parquet", "time,x\n1,2\n", "no Parquet file: it does not begin with PAR1; expected Parquet, or CSV"),
        ("x.xlsx", "PK", r"a \.xlsx file; .* pd\.read_excel\('x\.xlsx'\)\.to_parquet\('x\.parquet'\)"),
        ("x.json", "{}", r"pd\.read_json\('x\.json'\)"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_what_it_is(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        discover(tmp_path)


@pytest.mark.parametrize(("name", "form"), [("x.csv", "CSV"), ("x.parquet", "Parquet")])
def test_a_file_that_may_not_be_read_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    def forbidden(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / name).write_text("time,x\n")
    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(DataError, match=rf"{name}: cannot be read as {form} \(.*Permission denied"):
        discover(tmp_path)
