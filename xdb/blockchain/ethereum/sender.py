"""Sends transactions of one key, each exactly once, until they are final.

A nonce is used for one thing: it is written down with the signed bytes before anything is
sent, and every later version of it carries the same call. So a call takes effect once,
whichever version a block has, whether or not this process lives to see it.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace

from xdb.blockchain.ethereum.broadcast import Taken
from xdb.blockchain.ethereum.config import FeeConfig, SendConfig
from xdb.blockchain.ethereum.fees import Fees, Market, ether, offer, raised
from xdb.blockchain.ethereum.journal import Attempt, Entry, Journal
from xdb.blockchain.ethereum.market import AccountView
from xdb.blockchain.ethereum.receipts import Receipt
from xdb.blockchain.ethereum.transactions import Draft, sign_transaction
from xdb.blockchain.waiting import within
from xdb.errors import TimeoutExpiredError, UnavailableError
from xdb.model.ids import Address
from xdb.ports.clock import Clock
from xdb.ports.keys import Signer

TRANSFER_GAS = 21_000


@dataclass(slots=True)
class Sent:
    """How it goes with a transaction in this process. `waiters` want to know."""

    nonce: int
    waiters: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    receipt: Receipt | None = None
    overtaken: bool = False
    sent: float | None = None  # monotonic
    priced: float | None = None
    underpriced: bool = False
    trouble: str = ""

    def tell(self) -> None:
        """Something changed."""
        self.moved.set()
        self.moved = asyncio.Event()


class Sender:
    """The only one that sends with its key. `step` has to be called again and again."""

    def __init__(  # noqa: PLR0913, PLR0917  # what it is made of
        self,
        chain: int,
        signer: Signer,
        view: AccountView,
        journal: Journal,
        clock: Clock,
        fees: FeeConfig,
        config: SendConfig,
    ) -> None:
        self._chain = chain
        self._signer = signer
        self._view = view
        self._journal = journal
        self._clock = clock
        self._fees = fees
        self._config = config
        self._allocating = asyncio.Lock()
        self._stepping = asyncio.Lock()
        self._watches: dict[int, Sent] = {}

    @property
    def waiting(self) -> tuple[int, ...]:
        """Nonces of what is in no block yet, as far as is known."""
        entries = self._journal.entries
        return tuple(entry.nonce for entry in entries if self._watch(entry.nonce).receipt is None)

    async def adopted(self, to: Address, data: bytes, *, once: bool) -> Sent | None:
        """This very call, when it is on its way to a block with nobody waiting for it.

        So whoever gave up on a call, or died, and makes it again, does not make two. What may
        be undone by a call behind it, and wanted again, has to be the newest; a call that can
        take effect `once` only may stand anywhere.
        """
        used = await self._view.next_nonce(self._view.head.number)
        waiting = [entry for entry in self._journal.entries if entry.nonce >= used]
        for entry in waiting if once else waiting[-1:]:
            watch = self._watch(entry.nonce)
            if not watch.waiters and (entry.to, entry.data) == (to, data):
                return watch
        return None

    async def send(self, to: Address, data: bytes, gas: int) -> Sent:
        """Writes a transaction down and sends it.

        UnavailableError when it was not taken: too dear, no funds, chain out of reach.
        """
        async with self._allocating:
            market = await self._view.market()
            fees = offer(market, self._fees)
            await self._check_affordable(gas * fees.fee)
            nonce = await self._next()
            entry = self._sign(Entry(nonce, to, data, gas, self._now(), ()), fees)
            await self._journal.put(entry)
            sent = self._watch(nonce)
            sent.waiters += 1  # nobody adopts it before `included` is called
        try:
            await self._broadcast(entry)
        finally:
            sent.waiters -= 1
        return sent

    async def included(self, sent: Sent) -> Receipt:
        """Where the transaction is. TimeoutExpiredError when that is not known in time.

        UnavailableError when another transaction used the nonce, so that it never takes effect.
        """
        sent.waiters += 1
        try:
            return await within(self._clock, self._config.patience, self._included(sent))
        except TimeoutExpiredError as error:
            raise TimeoutExpiredError(
                f"the transaction with nonce {sent.nonce} of {self._name} is in no block after "
                f"{self._config.patience:g} s, and goes on being sent"
                f"{f' ({sent.trouble})' if sent.trouble else ''}: look again before you repeat it"
            ) from error
        finally:
            sent.waiters -= 1

    async def all_included(self) -> None:
        """Returns when nothing waits for a block, or after as long as one call would wait."""
        with suppress(TimeoutExpiredError):
            await within(self._clock, self._config.patience, self._quiet())

    async def _quiet(self) -> None:
        while waiting := self.waiting:
            await self._watch(waiting[0]).moved.wait()

    async def step(self) -> None:
        """Looks what became of each transaction, and does what each needs."""
        async with self._stepping:
            if not self._journal.entries:
                return
            used = await self._view.next_nonce(self._view.head.number)
            for entry in self._journal.entries:
                await self._look(entry, used)
            await self._fill_gaps(used)

    async def _look(self, entry: Entry, used: int) -> None:
        watch = self._watch(entry.nonce)
        receipt = None
        if entry.nonce < used:
            receipt = await self._view.receipt([attempt.hash for attempt in entry.attempts])
        if receipt != watch.receipt:
            if receipt is None:  # a reorganisation took it out
                watch.sent = None
            watch.receipt = receipt
            watch.tell()
        if receipt is not None:
            final = self._view.endpoints.final
            if final is not None and receipt.number <= final.number:
                await self._settle(entry, receipt.cost)
        elif entry.nonce >= used:
            await self._push(entry, watch, first=entry.nonce == used)
        elif await self._is_overtaken(entry):
            watch.overtaken = True
            watch.tell()
            await self._settle(entry, 0)

    async def _is_overtaken(self, entry: Entry) -> bool:
        """Whether another transaction has the nonce for good: another program has this key."""
        final = self._view.endpoints.final
        return final is not None and entry.nonce < await self._view.next_nonce(final.number)

    async def _settle(self, entry: Entry, cost: int) -> None:
        await self._journal.settle(entry.nonce, cost, self._now())
        self._watches.pop(entry.nonce, None)

    async def _push(self, entry: Entry, watch: Sent, *, first: bool) -> None:
        """Sends it again when it is time, for more when it waits too long."""
        now = self._clock.monotonic()
        priced = watch.priced if watch.priced is not None else now
        watch.priced = priced
        market = await self._view.market()
        cheap = market.base + min(entry.last.tip, self._fees.least_tip) > entry.last.fee
        late = first and now - priced >= self._config.replace_after
        if cheap or late or watch.underpriced:
            better = await self._replaced(entry, market, watch)
            if better is not None:
                await self._broadcast(better)
                return
        if watch.sent is None or now - watch.sent >= self._config.rebroadcast:
            await self._broadcast(entry)

    async def _replaced(self, entry: Entry, market: Market, watch: Sent) -> Entry | None:
        last = Fees(entry.last.fee, entry.last.tip)
        fees = raised(last, market, self._fees)
        if fees is None:
            watch.trouble = "a higher fee than chain.fees.most allows is needed"
            return None
        more = entry.gas * (fees.fee - last.fee)
        if self._spent(more) > self._fees.daily:
            watch.trouble = "a higher fee than chain.fees.daily allows is needed"
            return None
        async with self._allocating:
            better = self._sign(entry, fees)
            await self._journal.put(better)
        watch.priced, watch.underpriced = self._clock.monotonic(), False
        return better

    async def _broadcast(self, entry: Entry) -> None:
        watch = self._watch(entry.nonce)
        watch.sent = self._clock.monotonic()
        watch.priced = watch.priced if watch.priced is not None else watch.sent
        taken, words = await self._view.broadcast(entry.last.raw)
        watch.underpriced = taken is Taken.UNDERPRICED
        match taken:
            case Taken.YES:
                watch.trouble = ""
            case Taken.NO_FUNDS:
                watch.trouble = self._poor(entry.cost, words)
            case _:
                watch.trouble = words

    async def _included(self, sent: Sent) -> Receipt:
        while True:
            moved = sent.moved
            if sent.overtaken:
                raise UnavailableError(
                    f"another transaction used nonce {sent.nonce} of {self._name}, so nothing "
                    "took effect: use this key in no other program, and try again"
                )
            if sent.receipt is not None:
                return sent.receipt
            await moved.wait()

    async def _fill_gaps(self, used: int) -> None:
        """Sends nothing under nonces that nobody uses, when later ones wait for them."""
        entries = self._journal.entries
        missing = [
            nonce
            for nonce in range(used, entries[-1].nonce if entries else used)
            if self._journal.entry(nonce) is None
        ]
        if not missing or await self._view.pending_nonce() > missing[0]:
            return  # none, or another program's transaction is on its way
        market = await self._view.market()
        for nonce in missing:
            async with self._allocating:
                blank = Entry(nonce, self._signer.address, b"", TRANSFER_GAS, self._now(), ())
                filler = self._sign(blank, offer(market, self._fees))
                await self._journal.put(filler)
            await self._broadcast(filler)

    async def _next(self) -> int:
        used = await self._view.next_nonce(self._view.head.number)
        known = [entry.nonce + 1 for entry in self._journal.entries]
        return max([used, await self._view.pending_nonce(), *known])

    async def _check_affordable(self, cost: int) -> None:
        committed = self._journal.committed()
        if self._spent(cost) > self._fees.daily:
            raise UnavailableError(
                f"{self._name} spent {ether(self._spent(0))} today, or may yet, "
                f"and this could cost {ether(cost)} more; chain.fees.daily allows "
                f"{ether(self._fees.daily)}: nothing was sent; wait until tomorrow, or raise it"
            )
        balance = await self._view.balance()
        if balance < committed + cost:
            raise UnavailableError(self._poor(committed + cost, f"it has {ether(balance)}"))

    def _poor(self, needed: int, words: str) -> str:
        return (
            f"{self._name} needs {ether(needed)} for its transactions "
            f"({words}): send ether to this address on chain {self._chain}"
        )

    def _spent(self, more: int) -> int:
        return self._journal.spent(self._now()) + self._journal.committed() + more

    def _sign(self, entry: Entry, fees: Fees) -> Entry:
        draft = Draft(self._chain, entry.nonce, fees.tip, fees.fee, entry.gas, entry.to, entry.data)
        signed = sign_transaction(draft, self._signer)
        attempt = Attempt(signed.hash, signed.raw, fees.fee, fees.tip)
        return replace(entry, attempts=(*entry.attempts, attempt))

    def _watch(self, nonce: int) -> Sent:
        return self._watches.setdefault(nonce, Sent(nonce))

    @property
    def _name(self) -> str:
        return f"0x{self._signer.address.hex()}"

    def _now(self) -> int:
        return int(self._clock.wall())
