"""The table is no spreadsheet's program, the page no browser's; whatever a student wrote stands there as text."""

import csv
from html.parser import HTMLParser

import pytest

from course_lib.grading.grade import Question, Row
from course_lib.grading.report import cell, page_name, write_csv, write_page

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</pre></body>\udcff"


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


def row(**facts) -> Row:
    question = Question("q", "Title " + EVIL, 5, 0.0, "ERROR", EVIL, EVIL, EVIL, EVIL)
    return Row(**{"student": "anna", "assignment": "four", "score": 2.5, "points": 10.0, "reason": "ERROR", "error": EVIL, "questions": [question]} | facts)


@pytest.mark.parametrize("student", ["anna", EVIL, "../../up", "=1+1", "a/b", "x" * 300, "名前", ".", ""])
def test_a_page_holds_what_a_student_wrote_as_text_only(student, tmp_path):
    write_page(row(student=student), tmp_path)
    (path,) = tmp_path.iterdir()
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.tags <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "strong", "section", "pre"}
    assert page.attributes <= {"lang", "charset", "http-equiv", "content"}
    assert page.text.count("<script>alert(1)</script>") >= 5


def test_an_unreadable_submission_says_why(tmp_path):
    write_page(row(reason="BAD_SUBMISSION", error="it holds 2 notebooks"), tmp_path)
    assert "The submission could not be read: it holds 2 notebooks" in (tmp_path / "anna.html").read_text(encoding="utf-8")


def test_pages_of_different_students_have_different_names():
    students = ["anna", "anna ", "an/na", "an:na", "../anna", "ANNA", "", "x" * 99, "x" * 100]
    assert len({page_name(student) for student in students}) == len(students)
    assert page_name("anna") == "anna.html"
    assert all("/" not in page_name(student) and len(page_name(student)) < 100 for student in students)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), (" =1", "' =1"), ("\t=1", "'\t=1"), ("\r", "'\r"), ("anna", "anna"),
        ("", ""), (-1.0, "-1"), (2.5, "2.5"), ("a=1", "a=1"),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(value, text):
    assert cell(value) == text


def test_the_table(tmp_path):
    write_csv([row(), row(student='=HYPERLINK("x")', error="@sum\n\"x\"")], tmp_path / "grades.csv")
    with open(tmp_path / "grades.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert lines[0]["student_id"] == "anna"
    assert (lines[0]["score"], lines[0]["max_score"], lines[0]["q score"], lines[0]["q reason"]) == ("2.5", "10", "0", "ERROR")
    assert lines[1]["student_id"] == '\'=HYPERLINK("x")'
    assert lines[1]["first_error"] == "'@sum\n\"x\""


def test_the_table_says_where_a_person_should_look(tmp_path):
    looked = row()
    looked.questions[0].look = "softmax"
    write_csv([looked], tmp_path / "grades.csv")
    with open(tmp_path / "grades.csv", newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["look_at"] == f"{looked.questions[0].id}: softmax"
