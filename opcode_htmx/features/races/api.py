"""/api/races: begin races, watch them, stop them, merge a winner."""

from __future__ import annotations

import uuid

from opcode_htmx.features.races import schema
from opcode_htmx.features.races.records import Race
from opcode_htmx.features.races.runner import Entry, Wanted
from opcode_htmx.features.races.views import ContestantView, RacePages
from opcode_htmx.sessions.worktrees.endings import Merge
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.refusals import NO_BYPASS, UNTRUSTED_OR_SPENT

TAG = "Races"
ALL, ONE = "/api/races", "/api/races/{race_id}"
UNKNOWN = {404: "There is no such race."}
BEGIN_REFUSED = {
    403: NO_BYPASS,
    409: UNTRUSTED_OR_SPENT,
}
WIN_REFUSED = {
    **UNKNOWN,
    409: "The contestant is at work, there are conflicts, or uncommitted changes are in the way. "
    "Nothing was merged.",
}


class RacesApi:
    def __init__(self, parts: RacePages) -> None:
        self._parts = parts

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ALL,
                tag=TAG,
                summary="All races, the newest first",
                handler=self.all,
                response=list[schema.RaceSummary],
            ),
            Endpoint(
                method="POST",
                path=ALL,
                tag=TAG,
                summary="Begin a race: one prompt in several copies of a project",
                handler=self.begin,
                body=schema.NewRace,
                response=schema.RaceSummary,
                refusals=BEGIN_REFUSED,
                status=202,
            ),
            Endpoint(
                method="GET",
                path=ONE,
                tag=TAG,
                summary="One race, with what each contestant does and changes",
                handler=self.one,
                response=schema.RaceDetails,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/stop",
                tag=TAG,
                summary="Stop all contestants",
                handler=self.stop,
                response=schema.RaceSummary,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/win",
                tag=TAG,
                summary="Merge one contestant, and remove all copies of the race",
                handler=self.win,
                body=schema.RaceWin,
                response=schema.RaceSummary,
                refusals=WIN_REFUSED,
                description="The removed copies can be brought back for 7 days.",
            ),
            Endpoint(
                method="DELETE",
                path=ONE,
                tag=TAG,
                summary="Throw all copies of a race away, without a winner",
                handler=self.drop,
                response=schema.RaceSummary,
                refusals=UNKNOWN,
                description="They can be brought back for 7 days.",
            ),
        )

    def all(self) -> list[schema.RaceSummary]:
        return [_summary(each) for each in self._parts.newest_first()]

    def begin(self, body: schema.NewRace) -> schema.RaceSummary:
        wanted = Wanted(
            self._parts.context.workspace.working_folder(body.project_path),
            body.prompt,
            [Entry(each.model, each.prompt) for each in body.contestants],
            body.base,
            body.permission_mode,
            uuid.UUID(body.race_id).hex if body.race_id else "",
        )
        return _summary(self._parts.runner.begin(wanted, by=current_identity()))

    def one(self, race_id: str) -> schema.RaceDetails:
        view = self._parts.view(self._parts.races.get(race_id))
        race = view.race
        return schema.RaceDetails(
            id=race.id,
            created_at=race.at,
            project_path=race.folder,
            prompt=race.prompt,
            base=race.base,
            base_commit=race.base_commit,
            state=race.state,
            winner=race.winner,
            contestants=[_contestant(race, each) for each in view.contestants],
        )

    def stop(self, race_id: str) -> schema.RaceSummary:
        race = self._parts.races.get(race_id)
        self._parts.endings.stop_all(race, by=current_identity())
        return _summary(race)

    def win(self, race_id: str, body: schema.RaceWin) -> schema.RaceSummary:
        races, endings = self._parts.races, self._parts.endings
        merge = Merge(body.way, body.message, commit=True)
        endings.win(races.get(race_id), body.contestant, merge, by=current_identity())
        return _summary(races.get(race_id))

    def drop(self, race_id: str) -> schema.RaceSummary:
        races, endings = self._parts.races, self._parts.endings
        endings.drop(races.get(race_id), by=current_identity())
        return _summary(races.get(race_id))


def _summary(race: Race) -> schema.RaceSummary:
    return schema.RaceSummary(
        id=race.id,
        created_at=race.at,
        project_path=race.folder,
        prompt=race.prompt,
        state=race.state,
        winner=race.winner,
        session_ids=[each.session_id for each in race.contestants],
    )


def _contestant(race: Race, view: ContestantView) -> schema.RaceContestant:
    each, changes = view.contestant, view.changes
    return schema.RaceContestant(
        key=each.key,
        session_id=each.session_id,
        model=each.model,
        prompt=race.words_of(each),
        start=each.start,
        status=view.status,
        problem=each.problem,
        live=view.is_live,
        cost_usd=view.cost,
        added=view.added,
        removed=view.removed,
        files=None
        if changes is None
        else [
            schema.RaceFile(path=one.path, added=one.added, removed=one.removed) for one in changes
        ],
        branch=view.branch,
    )
