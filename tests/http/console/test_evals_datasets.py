"""Datasets in the Evaluations tab."""

from __future__ import annotations

import dataclasses
import json

import httpx
import pytest

from gateway.app import create_app
from gateway.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.http.console.conftest import Visitor, texts
from tests.http.evals.conftest import ROWS, Evaluating
from tests.servers import FakeProvider, Gateway, serving

CSV = """id,input,expected,topic
uk,Capital of the UK?,London,<b>geo</b>
fr,Capital of France?,Paris,
"""


async def sent(
    visitor: Visitor, path: str, file: tuple[str, str] | None = None, **form: str
) -> httpx.Response:
    """The form as a browser sends it: with an empty file where none was chosen."""
    name, text = file or ("", "")
    data = {"csrf": visitor.token, **form}
    files = {"file": (name, text.encode(), "text/plain")} if name else {"file": ("", b"")}
    return await visitor.http.post(path, data=data, files=files)


async def imported(visitor: Visitor) -> str:
    """The id of a dataset `faq` that was imported from a file."""
    await visitor.get("/ui/evals/datasets/new")
    answer = await sent(visitor, "/ui/evals/datasets", ("faq.csv", CSV), name="faq")
    assert answer.status_code == 303, texts(answer)
    return answer.headers["location"].rpartition("/")[2]


async def test_none_there_teaches_what_one_is(visitor: Visitor) -> None:
    said = texts(await visitor.get("/ui/evals/datasets"))
    assert "No datasets yet" in said
    assert "uk,Capital of the UK?,London" in said


async def test_a_file_becomes_a_dataset_that_is_looked_at_and_exported(
    visitor: Visitor, evals: Evaluating
) -> None:
    dataset = await imported(visitor)
    page = await visitor.get(f"/ui/evals/datasets/{dataset}")
    assert "uk Capital of the UK? London topic <b>geo</b>" in texts(page)
    assert "<b>geo</b>" not in page.text
    for kind in ("csv", "yaml", "jsonl"):
        file = await visitor.get(f"/ui/evals/datasets/{dataset}/export?format={kind}")
        same = await evals.ask("GET", f"/datasets/faq/export?format={kind}")
        assert file.content == same.content
        assert file.headers["content-disposition"] == f'attachment; filename="faq.{kind}"'
    assert "faq 2" in texts(await visitor.get("/ui/evals/datasets"))


async def test_rows_can_be_pasted_and_added(visitor: Visitor, evals: Evaluating) -> None:
    dataset = await imported(visitor)
    pasted = '{"Q": "Capital of Japan?", "expected": "Tokyo"}\r\n{"Q": "And of Peru?"}\r\n'
    edit = f"/ui/evals/datasets/{dataset}/edit"
    await visitor.get(edit)
    form = {"name": "renamed", "description": "More", "rows": pasted}
    answer = await sent(visitor, edit, None, **form)
    assert "Say what format the pasted rows have" in texts(answer)
    form |= {"format": "jsonl", "mode": "append", "columns": '{"input": "Q"}'}
    assert (await sent(visitor, edit, None, **form)).status_code == 303
    now = await evals.do("GET", "/datasets/renamed")
    assert (now["cases"], now["description"]) == (4, "More")
    # Without rows, it keeps its own.
    assert (await sent(visitor, edit, name="faq")).status_code == 303
    now = await evals.do("GET", "/datasets/faq")
    assert (now["cases"], now["description"]) == (4, None)


async def test_cases_come_by_pages(visitor: Visitor, evals: Evaluating) -> None:
    rows = [{"id": f"case {number}", "input": "x"} for number in range(60)]
    dataset = await evals.do("POST", "/datasets", {"name": "many", "rows": rows}, 201)
    url = f"/ui/evals/datasets/{dataset['id']}"
    page = await visitor.get(url)
    assert "case 49" in page.text
    assert "case 50" not in page.text
    assert f"{url}?after=49" in page.text
    page = await visitor.get(f"{url}?after=49")
    assert "case 50" in page.text
    assert "?after=" not in page.text.partition("Cases</h2>")[2]


@pytest.mark.parametrize(
    ("file", "form", "field", "told"),
    [
        (
            ("x.csv", "id,question\n1,why\n"),
            {},
            "file",
            "x.csv line 2, input: there is no input among id, question",
        ),
        (("x.jsonl", '{"input": "a"}\n{"input": '), {}, "file", "x.jsonl line 2: is not JSON"),
        (("x.yaml", "- input: a\n- expected: b\n"), {}, "file", "x.yaml line 2, input"),
        (("x.txt", "hello"), {}, "file", "ends in .yaml, .csv or .jsonl"),
        (None, {}, "file", "Choose a file, or paste rows"),
        (None, {"rows": "- b: 1", "format": "yaml"}, "rows", "the pasted rows line 1"),
        (("x.csv", CSV), {"name": ""}, "name", "name"),
        (("x.csv", CSV), {"columns": "["}, "columns", "columns takes a JSON object"),
    ],
)
async def test_what_is_wrong_is_told_in_its_place(
    visitor: Visitor,
    evals: Evaluating,
    file: tuple[str, str] | None,
    form: dict[str, str],
    field: str,
    told: str,
) -> None:
    await visitor.get("/ui/evals/datasets/new")
    given = {"name": "faq", "description": "<kept>", **form}
    answer = await sent(visitor, "/ui/evals/datasets", file, **given)
    assert answer.status_code == 422
    problem = answer.text.partition(f'id="{field}-problem">')[2].partition("</p>")[0]
    assert told in problem, answer.text
    assert "&lt;kept&gt;" in answer.text
    assert (await evals.do("GET", "/datasets"))["data"] == []


async def test_one_that_a_suite_has_stays(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up()
    head = await evals.do("GET", "/datasets/faq")
    url = f"/ui/evals/datasets/{head['id']}"
    assert "ci" in texts(await visitor.get(url))
    await visitor.get(f"{url}/delete")
    refused = await visitor.post(f"{url}/delete")
    assert refused.status_code == 409
    assert "the suite 'ci' has it" in texts(refused)
    await evals.do("DELETE", "/suites/ci")
    gone = await visitor.post(f"{url}/delete")
    assert "“faq” is deleted" in texts(await visitor.get(gone.headers["location"]))
    assert (await visitor.get(url)).status_code == 404


async def test_a_file_that_is_too_large_is_told(settings: Settings, provider: FakeProvider) -> None:
    app = create_app(dataclasses.replace(settings, max_body_bytes=2048))
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
        visitor = Visitor(Gateway(url, ADMIN_KEY, provider, app, http), http)
        assert (await visitor.sign_in()).status_code == 303
        assert "up to 2.0 KiB" in texts(await visitor.get("/ui/evals/datasets/new"))
        file = ("x.csv", f"input\n{'x' * 2048}\n")
        answer = await sent(visitor, "/ui/evals/datasets", file, name="faq")
    assert answer.status_code == 413
    problem = answer.text.partition('id="file-problem">')[2].partition("</p>")[0]
    assert "larger than 2048 bytes" in problem


async def test_a_form_of_another_session_imports_nothing(
    visitor: Visitor, evals: Evaluating
) -> None:
    visitor.token = "0" * 64
    answer = await sent(visitor, "/ui/evals/datasets", ("faq.csv", CSV), name="faq")
    assert answer.status_code == 400
    plain = await visitor.http.post("/ui/evals/datasets", content=json.dumps(ROWS))
    assert plain.status_code == 400
    assert (await evals.do("GET", "/datasets"))["data"] == []
