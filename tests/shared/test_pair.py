"""Two gateways at one Redis keep to limits and budgets as one does."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.shared.conftest import Pair

# gpt-4o's prices in nano-dollars: 11 tokens of prompt at 2500, 6 of completion at 10000.
COST = 87_500
DOLLAR = 10**9


async def test_of_many_requests_at_both_as_many_are_served_as_the_limit(pair: Pair) -> None:
    key = await pair.issue_key(rpm_limit=50)
    got = await pair.chats(200, key["key"])
    assert Counter(each.status_code for each in got) == {200: 50, 429: 150}
    left = sorted(
        int(each.headers["x-ratelimit-remaining-requests"])
        for each in got
        if each.status_code == 200
    )
    assert left == list(range(50))
    assert len(pair.here.provider.received) == 50
