"""What becomes of calls while Redis cannot be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.errors import NotReady
from gateway.settings import RedisDown

Kind = Literal["limits", "budgets"]
Outcome = Literal["local", "refused"]


class Unreachable(NotReady):
    """Redis cannot be reached."""

    def __init__(self, kind: str = "limits and budgets") -> None:
        super().__init__(
            f"The gateway cannot reach its Redis, where it counts {kind}; try again later"
        )


@dataclass(frozen=True, slots=True)
class Outage:
    """Attributes:
    limits: What becomes of calls with limits.
    budgets: Likewise of those with budgets.
    decided: Is told of each decision that is taken without Redis.
    """

    limits: RedisDown = RedisDown.CONTINUE
    budgets: RedisDown = RedisDown.REFUSE
    decided: Callable[[Kind, Outcome], object] = lambda _kind, _outcome: None

    def __str__(self) -> str:
        return ", ".join(
            f"{kind} are kept by each process for itself"
            if of_kind is RedisDown.CONTINUE
            else f"calls with {kind} are refused"
            for kind, of_kind in (("limits", self.limits), ("budgets", self.budgets))
        )

    def go_on(self, kind: Kind) -> None:
        """Have this process decide by itself. Raises Unreachable where calls are refused."""
        of_kind = self.limits if kind == "limits" else self.budgets
        if of_kind is RedisDown.REFUSE:
            self.decided(kind, "refused")
            raise Unreachable(kind)
        self.decided(kind, "local")
