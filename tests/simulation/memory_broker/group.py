"""The coordinator of the group: members, generations, static names, cooperative rebalances in two rounds."""

from dataclasses import dataclass, field


@dataclass(eq=False)
class Member:
    """A member, as the coordinator knows it; `dies_at`: end of its session unless it sends a heartbeat."""

    id: str
    instance: str
    joined: bool = False
    owned: list[int] = field(default_factory=list)
    assigned: list[int] = field(default_factory=list)
    dies_at: float | None = None


class Group:
    """Partitions 0 to n - 1 of one topic, shared among the members.

    A rebalance waits until every member has joined again, or its session has ended. A partition that another member
    still owns is assigned to nobody; it is free in the next round.
    """

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.members: dict[str, Member] = {}
        self.generation = 0
        self.rebalancing = False
        # Members whose name was taken over by a later one.
        self.fenced: dict[str, None] = {}
        self._made = 0

    def join(self, instance: str) -> Member:
        """Adds a member. It takes over an existing static name, with its partitions, without a rebalance."""
        self._made += 1
        member = Member(f"{instance}-{self._made}", instance)
        before = next((m for m in self.members.values() if m.instance == instance), None)
        if before is not None:
            del self.members[before.id]
            self.fenced[before.id] = None
            member.assigned = before.assigned
        self.members[member.id] = member
        if before is None or self.rebalancing or self._orphans():
            self.rebalance()
        self.rejoin(member, [])
        return member

    def _orphans(self) -> bool:
        return sum(len(member.assigned) for member in self.members.values()) < self.partitions

    def rebalance(self) -> None:
        """Starts a rebalance: every member must join again."""
        self.rebalancing = True
        for member in self.members.values():
            member.joined = False

    def rejoin(self, member: Member, owned: list[int]) -> None:
        member.joined, member.owned = True, list(owned)
        self._complete()

    def expire(self, now: float) -> None:
        """Removes the members whose sessions have ended."""
        late = [m for m in self.members.values() if m.dies_at is not None and m.dies_at <= now]
        for member in late:
            del self.members[member.id]
        if late and self.members:
            self.rebalance()
            self._complete()

    def _complete(self) -> None:
        if not self.rebalancing or not all(member.joined for member in self.members.values()):
            return
        self.rebalancing = False
        self.generation += 1
        owners = {p: member for member in self.members.values() for p in member.owned}
        for member, share in self._shares():
            member.assigned = [p for p in share if owners.get(p, member) is member]

    def _shares(self) -> list[tuple[Member, list[int]]]:
        """Equal shares; each member keeps what it owns up to its share."""
        members = sorted(self.members.values(), key=lambda m: (-len(m.owned), m.id))
        size, more = divmod(self.partitions, len(members))
        kept = [(m, m.owned[: size + (i < more)], size + (i < more)) for i, m in enumerate(members)]
        taken = {p for _, share, _ in kept for p in share}
        free = [p for p in range(self.partitions) if p not in taken]
        shares = []
        for member, share, room in kept:
            added, free = free[: room - len(share)], free[room - len(share) :]
            shares.append((member, share + added))
        return shares
