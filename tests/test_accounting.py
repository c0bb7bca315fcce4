"""One row a request, exact in every column, whatever ends the request; and nothing is left held."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

import pytest

from gateway.app import CALL_PREFIXES, create_app
from gateway.http import protocol
from gateway.records import LedgerRow, Operation
from gateway.settings import Settings
from gateway.upstream.formats import FORMATS
from tests import calls, ends, media
from tests.conftest import ADMIN_KEY
from tests.ends import NOTHING, Bench, End, held
from tests.servers import IN_BOTH_LANES, FakeProvider, Gateway, Json, answer, http_client, serving

pytestmark = IN_BOTH_LANES

CHAT, COMPLETION, EMBEDDING = Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING
RESPONSES = Operation.RESPONSES
MESSAGES, COUNT_TOKENS = Operation.MESSAGES, Operation.COUNT_TOKENS
# Nano-dollars of a token of the prompt, and of the completion.
PRICES = {
    CHAT: (2500, 10_000),
    COMPLETION: (2000, 4000),
    EMBEDDING: (20, 0),
    RESPONSES: (2500, 10_000),
    MESSAGES: (3000, 15_000),
    COUNT_TOKENS: (3000, 15_000),
}
MODELS: dict[Operation, Json] = {
    CHAT: {"model": "gpt-4o"},
    COMPLETION: {
        "model": "its-name",
        "input_cost_per_token": 2e-6,
        "output_cost_per_token": 4e-6,
    },
    EMBEDDING: {"model": "text-embedding-3-small"},
    RESPONSES: {"model": "gpt-4o"},
    MESSAGES: {"model": "claude-sonnet-4-5"},
    COUNT_TOKENS: {"model": "claude-sonnet-4-5"},
}
# Where that is not OpenAI.
PROVIDERS = {MESSAGES: "anthropic", COUNT_TOKENS: "anthropic"}
NOT_SET = "GATEWAY_TEST_IS_NOT_SET"


@dataclass(frozen=True)
class Ending:
    """What can end a request, and what its row then says."""

    end: End
    outcome: str
    status: int
    error: str | None = None
    tokens: str = "none"
    """`reported` by the provider; `likely`, by the gateway's count; or none."""
    said: int = 0
    """Tokens of the answer that came, where there can be one; -1 for any number."""
    model: str = ""
    """What goes before the operation in the model's name."""
    served: bool = True
    rows: int = 1


UNKNOWN = "no such model " + "é" * 300
CANCELLED, REFUSED = "cancelled", "refused"
ALWAYS = [
    Ending(ends.complete, "complete", 200, None, "reported", 6),
    Ending(ends.too_many_requests, "failed", 429, "tokens"),
    Ending(ends.overloaded, "failed", 503, "?" + "x" * 255),
    Ending(ends.no_connection, "failed", 500, "api_error", model="closed"),
    Ending(ends.no_answer_in_time, "failed", 408, "timeout_error", model="hasty"),
    Ending(ends.client_gone_at_once, CANCELLED, 499, CANCELLED, "likely"),
    Ending(ends.too_many_a_minute, REFUSED, 429, "throttling_error", rows=2),
    Ending(ends.too_many_at_once, REFUSED, 429, "throttling_error", rows=2),
    Ending(ends.budget_spent, REFUSED, 422, "budget_exceeded"),
    Ending(ends.unknown_model, REFUSED, 400, "invalid_request_error", model="?", served=False),
    Ending(ends.denied_model, REFUSED, 403, "key_model_access_denied", model="-", served=False),
    Ending(ends.not_set_up, REFUSED, 500, "internal_server_error", model="unset"),
    Ending(ends.fault_within, "failed", 500, "AttributeError"),
]
PLAIN = [
    # A token for each four bytes of the answer.
    Ending(ends.complete_without_a_report, "complete", 200, None, "likely", 8),
    Ending(ends.cut_answer, "failed", 502, "api_error"),
]
STREAMED = [
    Ending(ends.complete_and_told, "complete", 200, None, "reported", 6),
    # A token for each four bytes of a chunk.
    Ending(ends.complete_without_a_report, "complete", 200, None, "likely", 10),
    Ending(ends.no_chunk, "failed", 502, "api_error"),
    Ending(ends.broken_connection, "cut", 200, "api_error", "likely", 2),
    Ending(ends.no_finish, "cut", 200, "api_error", "likely", 2),
    Ending(ends.error_event, "cut", 200, "overloaded", "likely", 2),
    Ending(ends.no_chunk_in_time, "cut", 200, "timeout_error", "likely", 2, model="hasty"),
    Ending(ends.client_gone_amid, CANCELLED, 200, CANCELLED, "likely", 2),
    Ending(ends.client_stalled, CANCELLED, 200, CANCELLED, "likely", -1),
    Ending(ends.client_stalled_and_gone, CANCELLED, 200, CANCELLED, "likely", -1),
]
# Of the others a few: what is particular to a format, and what leaves by which the ways differ.
SOME: dict[Operation, tuple[list[Ending], list[Ending]]] = {
    RESPONSES: (
        [
            Ending(ends.complete, "complete", 200, None, "reported", 6),
            # A token for each four bytes of the answer.
            Ending(ends.complete_without_a_report, "complete", 200, None, "likely", 8),
            Ending(ends.too_many_requests, "failed", 429, "tokens"),
            Ending(ends.client_gone_at_once, CANCELLED, 499, CANCELLED, "likely"),
        ],
        [
            Ending(ends.complete, "complete", 200, None, "reported", 6),
            Ending(ends.no_chunk, "failed", 502, "api_error"),
            Ending(ends.broken_connection, "cut", 200, "api_error", "likely", 2),
            Ending(ends.no_finish, "cut", 200, "api_error", "likely", 2),
            Ending(ends.error_event, "cut", 200, "overloaded", "likely", 2),
            Ending(ends.no_chunk_in_time, "cut", 200, "timeout_error", "likely", 2, model="hasty"),
            Ending(ends.client_gone_amid, CANCELLED, 200, CANCELLED, "likely", 2),
        ],
    ),
    MESSAGES: (
        [
            Ending(ends.complete, "complete", 200, None, "reported", 6),
            Ending(ends.too_many_requests, "failed", 429, "tokens"),
            Ending(ends.client_gone_at_once, CANCELLED, 499, CANCELLED, "likely"),
            Ending(
                ends.unknown_model, REFUSED, 400, "invalid_request_error", model="?", served=False
            ),
        ],
        [
            Ending(ends.complete, "complete", 200, None, "reported", 6),
            Ending(ends.no_chunk, "failed", 502, "api_error"),
            Ending(ends.broken_connection, "cut", 200, "api_error", "likely", 2),
            Ending(ends.no_finish, "cut", 200, "api_error", "likely", 2),
            Ending(ends.error_event, "cut", 200, "overloaded", "likely", 2),
            Ending(ends.client_gone_amid, CANCELLED, 200, CANCELLED, "likely", 2),
        ],
    ),
    COUNT_TOKENS: (
        [
            Ending(ends.complete, "complete", 200),
            Ending(ends.client_gone_at_once, CANCELLED, 499, CANCELLED),
        ],
        [],
    ),
}
ALL = (CHAT, COMPLETION, EMBEDDING)
CASES = [
    *((ending, operation, False) for operation in ALL for ending in (*ALWAYS, *PLAIN)),
    *(
        (ending, operation, True)
        for operation in (CHAT, COMPLETION)
        for ending in (*ALWAYS, *STREAMED)
    ),
    *(
        (ending, operation, stream)
        for operation, plain_and_streamed in SOME.items()
        for stream, endings in zip((False, True), plain_and_streamed, strict=True)
        for ending in endings
    ),
]


@pytest.fixture(scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, _provider: FakeProvider, lane: str
) -> AsyncIterator[Gateway]:
    """A gateway for all cases, with models for each operation, well and ill."""
    path = tmp_path_factory.mktemp("accounting") / "gateway.db"
    settings = Settings(database_url=f"sqlite:///{path}", admin_key=ADMIN_KEY)
    app = create_app(settings)
    async with serving(app) as url, http_client() as http:
        made = Gateway(url, ADMIN_KEY, _provider, app, http, lane)
        await made.try_once()
        for operation, params in MODELS.items():
            at: Json = {}
            if operation in PROVIDERS:
                at = {"provider": PROVIDERS[operation], "base_url": _provider.url}
            hasty = params | {"timeout": 0.2}
            unset = {"api_key": f"os.environ/{NOT_SET}"}
            await made.add_model(operation, litellm_params=params, **at)
            await made.add_model(f"hasty{operation}", litellm_params=hasty, **at)
            await made.add_model(f"unset{operation}", litellm_params=params, **at, **unset)
            closed = at | {"base_url": "http://127.0.0.1:9"}
            await made.add_model(f"closed{operation}", litellm_params=params, **closed)
        yield made


@pytest.fixture(scope="module")
async def team(running: Gateway) -> str:
    made = await running.manage("POST", "/teams", {"name": "crew", "max_budget": 1000})
    assert made.status_code == 201, made.text
    return str(made.json()["team_id"])


numbers = itertools.count()


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, running: Gateway, team: str, provider: FakeProvider
) -> AsyncIterator[Bench]:
    _, operation, stream = request.param
    assert provider is running.provider
    issued = await running.issue_key(
        label=f"key {next(numbers)}",
        team_id=team,
        tags=["ours", "night"],
        max_budget=1000,
        models=["/*", "hasty*", "unset*", "closed*", "no such*"],
    )
    yield Bench(running, operation, stream, issued["id"], issued["key"], operation.value)
    provider.reset()


def case_id(case: tuple[Ending, Operation, bool]) -> str:
    ending, operation, stream = case
    return f"{operation[1:]}{'-stream' if stream else ''}-{ending.end.__name__}"


@pytest.mark.parametrize("bench", CASES, indirect=True, ids=case_id)
async def test_every_end_makes_one_exact_row(
    bench: Bench, request: pytest.FixtureRequest, team: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending: Ending = request.node.callspec.params["bench"][0]
    if ending.end is ends.client_stalled:
        monkeypatch.setattr(protocol, "STALLED_SECONDS", 0.3)
    monkeypatch.delenv(NOT_SET, raising=False)
    assert held(bench.gateway) == NOTHING
    await ending.end(bench)
    rows = await bench.gateway.rows(bench.key_id, ending.rows)
    assert len(rows) == ending.rows
    [row] = [row for row in rows if row.outcome == ending.outcome]
    assert asdict(row) == columns(bench, ending, row) | {"team_id": team}
    assert held(bench.gateway) == NOTHING
    assert len(row.id) == len(row.request_id) == 32
    assert 0 <= (row.first_token_ms or 0) <= row.latency_ms < 20_000


def columns(bench: Bench, ending: Ending, row: LedgerRow) -> Json:
    """What the row must be; what no test can know is taken from it."""
    name = {"?": UNKNOWN[:256], "-": "denied"}.get(ending.model, ending.model + bench.operation)
    found = bench.gateway.app.state.services.registry.catalogue.find(name)
    served = found.deployments[0] if ending.served else None
    likely = calls.LIKELY_PROMPT[bench.operation]
    prompt = {"reported": 11, "likely": likely, "none": 0}[ending.tokens]
    completion = 0 if bench.operation is EMBEDDING else ending.said
    if completion < 0:
        completion = row.completion_tokens
        assert completion > 1000
    per_prompt, per_completion = PRICES[bench.operation]
    begun = bench.stream and ending.status == 200
    assert (row.first_token_ms is not None) == begun
    return {
        "id": row.id,
        "request_id": row.request_id,
        "started_ms": row.started_ms,
        "key_id": bench.key_id,
        "operation": bench.operation.value,
        "model": name,
        "served_model": served.name if served else None,
        "deployment_id": served.id if served else None,
        "provider": PROVIDERS.get(bench.operation, "openai") if served else None,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "estimated": ending.tokens == "likely",
        "cost": prompt * per_prompt + completion * per_completion,
        "latency_ms": row.latency_ms,
        "first_token_ms": row.first_token_ms,
        "status": ending.status,
        "error": ending.error,
        "outcome": ending.outcome,
        "stream": bench.stream,
        "end_user": "someone" if calls.user(bench.operation) else None,
        "tags": ("ours", "night", "mine"),
        "retries": 0,
        "fallbacks": 0,
        "cache_hit": False,
    }


async def test_every_operation_has_its_rows(running: Gateway) -> None:
    """An operation that is added must be added here, and with it comes its route."""
    # Those of tests/test_accounting_media.py besides.
    assert {*calls.REQUESTS, *media.REQUESTS} == set(FORMATS)
    assert {operation for _, operation, _ in CASES} == set(calls.REQUESTS)
    issued = await running.issue_key()
    for operation in calls.REQUESTS:
        body = {"model": operation.value, **calls.REQUESTS[operation]}
        running.provider.does(answer(calls.whole(operation)))
        for prefix in CALL_PREFIXES:
            called = await running.request("POST", prefix + operation, issued["key"], body)
            assert called.status_code == 200, called.text
    rows = await running.rows(issued["id"], len(calls.REQUESTS) * len(CALL_PREFIXES))
    assert Counter(row.operation for row in rows) == {
        operation.value: len(CALL_PREFIXES) for operation in calls.REQUESTS
    }
