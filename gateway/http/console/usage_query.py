"""What a page of the usage is asked for: a span of time, and which requests count in it.

It is all in the URL, by the names that the API has for it. A form sends its empty fields too, so an
empty one does not matter here; `without=tag` is what stands for requests that have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from gateway.errors import InvalidField, NotFound
from gateway.http.console.shown import day
from gateway.http.console.visits import Visit
from gateway.http.usage import usage_filter
from gateway.store import Store
from gateway.store.keys import KeyFilter
from gateway.usage import UsageFilter

OVERVIEW = "/ui/usage"
REQUESTS = "/ui/usage/requests"
SPANS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
DEFAULT_SPAN = "24h"
TITLES = {
    "key": "key",
    "team": "team",
    "model": "model",
    "provider": "provider",
    "tag": "tag",
    "deployment": "deployment",
    "status": "status",
    "outcome": "outcome",
    "end_user": "end user",
    "request_id": "request id",
}
"""What can be asked for besides the time, as people call it."""
MAY_LACK = ("team", "model", "provider", "tag", "deployment", "end_user")
_TIMES = ("start", "end")
_OTHERS = ("by", "after")


@dataclass(frozen=True, slots=True)
class Chosen:
    """One thing that is asked for, and the page without it."""

    title: str
    value: str | None
    """None where requests without any are asked for."""
    url: str


class Query:
    """Attributes:
    given: What is asked for, by the names in `TITLES`, and `start`, `end`, `by` and `after`.
    without: What the requests do not have.
    """

    def __init__(self, path: str, given: Mapping[str, str], without: tuple[str, ...] = ()) -> None:
        self.path = path
        self.given = given
        self.without = without

    @classmethod
    def of(cls, visit: Visit, path: str, span: str | None = None) -> Query:
        """The one in the URL; `span` is that of a page that is asked for no time."""
        items = visit.request.query_params.multi_items()
        texts = {name: value.strip() for name, value in items if value.strip()}
        known = (*_TIMES, *TITLES, *_OTHERS)
        given = {name: text for name, text in texts.items() if name in known}
        if span is not None and not given.keys() & set(_TIMES):
            given["start"] = span
        lacking = {value for name, value in items if name == "without"}
        without = tuple(name for name in MAY_LACK if name in lacking and name not in given)
        return cls(path, given, without)

    async def wanted(self, visit: Visit) -> UsageFilter:
        """The filter that it stands for. Raises InvalidField."""
        given = self.parameters()
        if "key" in given:
            given["key"] = await _key_id(visit.services.store, given["key"])
        return usage_filter(given, visit.key)

    def parameters(self) -> dict[str, str]:
        """As the API takes them."""
        filters = (*_TIMES, *TITLES)
        found = {name: value for name, value in self.given.items() if name in filters}
        return found | dict.fromkeys(self.without, "")

    def csv(self, path: str, **more: str) -> str:
        """The URL of a file with what it asks for."""
        return f"{path}?{urlencode(self.parameters() | more)}"

    def url(self, path: str | None = None, **changes: str | None) -> str:
        """This page, or another, asked for the same but for the changes; None leaves one out.

        An empty text asks for requests that have none.
        """
        given: dict[str, str | None] = {**self.given, "after": None} | changes
        if path == REQUESTS:
            given["by"] = None
        items = [(name, value) for name, value in given.items() if value]
        lacking = {name for name in self.without if name not in changes}
        lacking |= {name for name, value in changes.items() if value == "" and name in MAY_LACK}
        items += [("without", name) for name in MAY_LACK if name in lacking]
        return f"{path or self.path}?{urlencode(items)}" if items else path or self.path

    def hidden(self, *shown: str) -> list[tuple[str, str]]:
        """What a form must carry along that has fields for what is `shown` alone."""
        given = [
            (name, value)
            for name, value in self.given.items()
            if name not in shown and name != "after"
        ]
        return given + [("without", name) for name in self.without if name not in shown]

    def spans(self, unbounded: bool = False) -> list[tuple[str, str, bool]]:
        """Links to other spans: URL, name, and whether it is this one."""
        start, end = (self.given.get(name) for name in _TIMES)
        found = [
            (self.url(start=span, end=None), name, end is None and start == span)
            for span, name in SPANS.items()
        ]
        if unbounded:
            found.append((self.url(start=None, end=None), "All", start is None and end is None))
        return found

    def chosen(self, names: Mapping[str, str]) -> list[Chosen]:
        """What is asked for that has no place of its own; `names` has what ids stand for."""
        found = [
            Chosen(title, names.get(name, self.given[name]), self.url(**{name: None}))
            for name, title in {"start": "from", "end": "to", **TITLES}.items()
            if name in self.given and not self._has_place(name)
        ]
        return found + [
            Chosen(TITLES[name], None, self.url(**{name: None})) for name in self.without
        ]

    def _has_place(self, name: str) -> bool:
        """Whether it is a time that a link stands for, or a day that a field holds."""
        text = self.given[name]
        in_link = name == "start" and text in SPANS and "end" not in self.given
        return name in _TIMES and (in_link or day(text) != "")


async def names_of(visit: Visit, query: Query) -> dict[str, str]:
    """What the key, the team and the deployment that are asked for are called."""
    key, team, deployment = (query.given.get(name, "") for name in ("key", "team", "deployment"))
    found = await visit.services.store.usage.names([key], [team])
    model = visit.services.registry.model_name(deployment)
    names = {
        "key": found.keys.get(key),
        "team": found.teams.get(team),
        "deployment": f"{model} ({deployment})" if model else None,
    }
    return {name: called for name, called in names.items() if called}


async def _key_id(store: Store, name: str) -> str:
    """Of the key with this id, or the one with this label. Raises InvalidField."""
    try:
        return (await store.keys.get(name)).id
    except NotFound:
        labelled, _ = await store.keys.find(KeyFilter(label=name))
    if len(labelled) > 1:
        ids = ", ".join(key.id for key in labelled[:5])
        raise InvalidField(
            f"key: {len(labelled)} keys are called {name!r}; give the id of one: {ids}", param="key"
        )
    # Requests may be of a key that is in the ledger alone.
    return labelled[0].id if labelled else name
