"""The ids of requests."""

from __future__ import annotations

import time
from uuid import RFC_4122, UUID

from gateway.ids import request_id


def test_an_id_is_a_uuid_that_begins_with_its_time() -> None:
    before = time.time_ns() // 1_000_000
    made = [request_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 1000
    for each in made:
        parsed = UUID(each)
        assert parsed.hex == each
        assert (parsed.version, parsed.variant) == (7, RFC_4122)
        assert before <= int(each[:12], 16) <= after
