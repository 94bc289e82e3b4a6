"""What is left of an interface that broke."""

from __future__ import annotations

from pathlib import Path

from dbmux.tui.report import reported


def broken() -> Exception:
    """As it was raised."""
    secret = "SELECT 'a secret'"
    try:
        raise RuntimeError(f"{len(secret)} characters")
    except RuntimeError as error:
        return error


def test_a_report_is_for_its_owner_and_has_no_values(tmp_path: Path) -> None:
    said = reported(broken(), tmp_path)

    (file,) = tmp_path.glob("reports/*.txt")
    assert said == f"The report is {file}."
    assert "RuntimeError: 17 characters" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "in broken" in file.read_text()


def test_where_no_report_can_be_written_the_error_is_said(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("this is no folder")

    said = reported(broken(), tmp_path)

    assert said.startswith("It was RuntimeError('17 characters'); a report could not be written: ")
    assert reported(broken(), None) == "It was RuntimeError('17 characters')."
