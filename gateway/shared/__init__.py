"""Limits and budgets that several processes keep together, with their counters in Redis.

Each process holds something there: places of running requests, money set aside, and the cost of
requests that have ended but are not in the database yet. It is kept under the process's name, which
lapses with its heartbeat, so that a killed process gives all of it back.

Nothing here is the only copy. What was spent is in the database, and what a process holds is in
its memory: whenever a reply was lost, or Redis was, the process comes back under another name with
all that it holds, and accounts are read from the database again.

- `Link` is the way to Redis, the process's place there, and what it holds.
- `SharedLimiter` and `SharedBudgets` say what is asked.
- `Outage` says what becomes of calls while Redis cannot be reached. Each process always counts what
  it lets in, so that it can decide alone; what it holds by then goes into Redis when it comes back.
- The scripts (`*.lua`) decide; each is one step that nothing comes between.
"""

from gateway.shared.budgets import SharedBudgets
from gateway.shared.connection import check_installed
from gateway.shared.limits import SharedLimiter
from gateway.shared.link import Link
from gateway.shared.outage import Outage

__all__ = ["Link", "Outage", "SharedBudgets", "SharedLimiter", "check_installed"]
