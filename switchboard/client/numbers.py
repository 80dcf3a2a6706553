"""Masks, pools, flows, trunks and phones, over the API."""

from __future__ import annotations

import msgspec

from switchboard.api.bodies import MaskBody, PoolBody, RefusalBody, UnbindBody
from switchboard.api.types import (
    FlowChange,
    FlowView,
    MaskDone,
    MaskView,
    Page,
    PoolNumberView,
    PoolsView,
    RefusalDone,
    RefusalView,
    RegistrationView,
    TrunkChange,
    TrunkView,
)
from switchboard.client.desk import segment
from switchboard.client.session import Session


class Masks:
    """`/masks` and `/pools`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def search(
        self, *, number: str | None = None, kind: str | None = None, state: str | None = None,
        contact: str | None = None, label: str | None = None, cursor: str | None = None, limit: int | None = None,
    ) -> Page[MaskView]:  # fmt: skip
        """Bindings; `contact` stands for somebody's number, see `Records.find_contact`."""
        asked = {
            "number": number, "kind": kind, "state": state, "contact": contact, "label": label, "cursor": cursor,
            "limit": limit,
        }  # fmt: skip
        return await self._session.get("/masks", Page[MaskView], asked)

    async def get(self, binding: str) -> MaskView:
        """One binding: `4008001234,123456` or the id of an X number's."""
        return await self._session.get(f"/masks/{segment(binding)}", MaskView)

    async def bind(self, body: MaskBody) -> MaskDone:
        """Bind; the answer has the id, with what a pool gave."""
        return await self._session.post("/masks", MaskDone, body)

    async def load(self, data: bytes, *, replace: bool = False) -> MaskDone:
        """Import a file: CSV or JSON lines; all of it or nothing."""
        answer = await self._session.request(
            "POST", "/masks/import", parameters={"replace": replace}, body=data, headers={"Content-Type": "text/csv"}
        )
        return msgspec.json.decode(answer.body, type=MaskDone)

    async def unbind(self, binding: str, *, quarantine: str = "", reason: str = "") -> MaskDone:
        """Remove a binding."""
        body = UnbindBody(quarantine=quarantine, reason=reason)
        return await self._session.post(f"/masks/{segment(binding)}/unbind", MaskDone, body)

    async def refusals(
        self, *, contact: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[RefusalView]:
        """Customers who want no calls back."""
        asked = {"contact": contact, "cursor": cursor, "limit": limit}
        return await self._session.get("/masks/refusals", Page[RefusalView], asked)

    async def refuse_calls(self, number: str, *, withdrawn: bool = False, reason: str = "") -> RefusalDone:
        """Let nobody call a customer back through X, or allow it again."""
        body = RefusalBody(number=number, withdrawn=withdrawn, reason=reason)
        return await self._session.post("/masks/refusals", RefusalDone, body)

    async def disable(self, binding: str, reason: str) -> MaskDone:
        """Disable a binding for the time being."""
        return await self._session.post(f"/masks/{segment(binding)}/disable", MaskDone, {"reason": reason})

    async def enable(self, binding: str, reason: str) -> MaskDone:
        """Enable it again."""
        return await self._session.post(f"/masks/{segment(binding)}/enable", MaskDone, {"reason": reason})

    async def pools(self) -> PoolsView:
        """All pools."""
        return await self._session.get("/pools", PoolsView)

    async def pool(self, name: str) -> list[PoolNumberView]:
        """The numbers of a pool."""
        return await self._session.get(f"/pools/{segment(name)}", list[PoolNumberView])

    async def add_numbers(self, pool: str, body: PoolBody) -> PoolsView:
        """Put numbers into a pool."""
        return await self._session.post(f"/pools/{segment(pool)}/numbers", PoolsView, body)

    async def retire(self, number: str) -> None:
        """Give a number out no more."""
        await self._session.request("POST", "/pools/retire", body={"number": number})


class System:
    """`/flows`, `/trunks` and `/registrations`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def flows(self) -> list[FlowView]:
        """Flows and their versions."""
        return await self._session.get("/flows", list[FlowView])

    async def check_flows(self) -> FlowChange:
        """Read the files and tell what is wrong; changes nothing."""
        return await self._session.post("/flows/check", FlowChange)

    async def activate_flows(self) -> FlowChange:
        """Make the files live for new calls, all or none."""
        return await self._session.post("/flows/activate", FlowChange)

    async def trunks(self) -> list[TrunkView]:
        """Carriers."""
        return await self._session.get("/trunks", list[TrunkView])

    async def trunk(self, name: str) -> TrunkView:
        """One carrier."""
        return await self._session.get(f"/trunks/{segment(name)}", TrunkView)

    async def enable_trunk(self, name: str) -> TrunkView:
        """Use a trunk for new calls again."""
        return await self._session.post(f"/trunks/{segment(name)}/enable", TrunkView)

    async def disable_trunk(self, name: str) -> TrunkView:
        """No new calls by a trunk; those that are up go on."""
        return await self._session.post(f"/trunks/{segment(name)}/disable", TrunkView)

    async def enable_gateway(self, name: str, gateway: str) -> TrunkView:
        """Use one of its gateways for new calls again."""
        return await self._session.post(f"/trunks/{segment(name)}/gateways/{segment(gateway)}/enable", TrunkView)

    async def disable_gateway(self, name: str, gateway: str) -> TrunkView:
        """No new calls by one of its gateways; those that are up go on."""
        return await self._session.post(f"/trunks/{segment(name)}/gateways/{segment(gateway)}/disable", TrunkView)

    async def reload_trunks(self) -> TrunkChange:
        """Take the trunks of the configuration file over."""
        return await self._session.post("/trunks/reload", TrunkChange)

    async def registrations(self, account: str = "", after: str = "") -> list[RegistrationView]:
        """Phones that are registered: of one account, or of up to a thousand behind an address-of-record."""
        query = {name: value for name, value in (("account", account), ("after", after)) if value}
        return await self._session.get("/registrations", list[RegistrationView], query)

    async def unregister(self, account: str) -> None:
        """Take away the registrations of an account."""
        await self._session.request("DELETE", f"/registrations/{account}")
